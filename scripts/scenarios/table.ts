import { readFileSync, writeFileSync } from 'node:fs'
import type { Verdict } from './checker.ts'
import { CODES } from './scenario.ts'

/** Verdicts of one system by the scenario's name. */
export interface Column {
  name: string
  verdicts: Map<string, Verdict>
}

/** How many scenarios are not ok. */
export function countNotOk ({ verdicts }: Column): number {
  return [...verdicts.values()].filter(({ codes }) => codes.length > 0).length
}

/**
 * The table as Markdown with its legend.
 * @param names scenarios that were played, in the order of the rows
 * @param versions what they were played on, in words
 */
export function markdown (names: string[], columns: Column[], versions: string): string {
  const row = (...cells: string[]): string => `| ${cells.join(' | ')} |`
  const rows = names.map((name) => row(name, ...columns.map(({ verdicts }) => cell(verdicts.get(name)))))
  return [
    `${names.length} scenarios over real sockets, on ${versions}. \`ok\`: the client was told what is stored, and nothing was left behind.`,
    '',
    row('scenario', ...columns.map(({ name }) => name)),
    row('---', ...columns.map(() => '---')),
    ...rows,
    row(`**not ok, of ${names.length}**`, ...columns.map((column) => `**${countNotOk(column)}**`)),
    '',
    '- `refused`: the app does not start, and says why',
    '- `–`: not played, for want of a way to write in both stores',
    ...Object.entries(CODES).map(([code, meaning]) => `- \`${code}\`: ${meaning}`)
  ].join('\n')
}

function cell (verdict: Verdict | undefined): string {
  if (verdict?.isRefused === true) return 'refused'
  return verdict?.isLeftOut === true ? '–' : verdict?.codes.join(' ') || 'ok'
}

/**
 * Puts a table between the markers `<!-- name:start -->` and `<!-- name:end -->` of a file. Throws with one line when
 * the file has none.
 * @param name default `scenarios`
 */
export function writeBetweenMarkers (file: string, table: string, name = 'scenarios'): void {
  const text = readFileSync(file, 'utf8')
  const marks = { start: `<!-- ${name}:start -->`, end: `<!-- ${name}:end -->` }
  const [start, end] = [text.indexOf(marks.start), text.indexOf(marks.end)]
  if (start < 0 || end < start) {
    throw new Error(`${file} has no line ${marks.start} before a line ${marks.end}: add both`)
  }
  writeFileSync(file, `${text.slice(0, start + marks.start.length)}\n${table}\n${text.slice(end)}`)
}
