import type { Order, Result, Trial } from './trial.ts'

/** What is known of one plugin in the end. */
export interface Row {
  trial: Trial
  version: string
  results: Record<Order, Result[]>
}

/** A check that is not right and not explained, or explained and right. */
export interface Fault {
  package: string
  order: Order
  name: string
  detail: string
}

/** The checks that make the command fail. An explanation that is no longer needed is one of them. */
export function getFaults ({ trial, results }: Row): Fault[] {
  const found: Fault[] = []
  for (const order of ['before', 'after'] as const) {
    const own = { package: trial.package, order }
    if (results[order].length === 0) found.push({ ...own, name: 'nothing was checked', detail: 'no result' })
    for (const { name, isRight, detail } of results[order]) {
      if (!isRight && trial.explained?.[name] === undefined) found.push({ ...own, name, detail })
    }
  }
  const wrong = [...results.before, ...results.after].filter(({ isRight }) => !isRight)
  for (const name of Object.keys(trial.explained ?? {})) {
    if (wrong.some((result) => result.name === name)) continue
    const detail = 'explained, but right in both orders: take the explanation away'
    found.push({ package: trial.package, order: 'before', name, detail })
  }
  return found
}

/** The table as Markdown. */
export function markdown (rows: Row[], versions: string): string {
  const lines = rows.map((row) => {
    const { trial, version, results } = row
    const cells = [trial.package, version, cell(trial, results.before), cell(trial, results.after), notes(trial)]
    return `| ${cells.join(' | ')} |`
  })
  return [
    `${rows.length} plugins, each registered before and after this one, on ${versions}.`,
    '',
    '| plugin | version | before | after | what to know |',
    '| --- | --- | --- | --- | --- |',
    ...lines
  ].join('\n')
}

function cell (trial: Trial, results: Result[]): string {
  const wrong = results.filter(({ isRight }) => !isRight).map(({ name }) => name)
  const faults = wrong.filter((name) => trial.explained?.[name] === undefined)
  if (faults.length > 0 || results.length === 0) return `**not ok**: ${faults.join(', ')}`
  if (wrong.includes('boot')) return 'refused'
  const { length } = results
  return wrong.length > 0 ? `${length - wrong.length} of ${length}, see right` : `ok (${length})`
}

function notes ({ note, explained }: Trial): string {
  const entries = Object.entries(explained ?? {})
  const reasons = entries.map(([name, reason]) => name === 'boot' ? reason : `${name}: ${reason}`)
  return [note, ...reasons].filter((text) => text !== undefined).join(' ').replaceAll('|', '\\|')
}
