import type { Order, Result, Trial } from './trial.ts'

/** What is known of one plugin in the end. */
export interface Row { trial: Trial, version: string, results: Record<Order, Result[]> }

/** A check that is not right and not explained, or explained and right. */
export interface Fault { package: string, order: Order, name: string, detail: string }

/** The checks that make the command fail. An explanation that is no longer needed is one of them. */
export function faultsOf ({ trial, results }: Row): Fault[] {
  const found: Fault[] = []
  for (const order of ['before', 'after'] as const) {
    if (results[order].length === 0) found.push({ package: trial.package, order, name: 'nothing was checked', detail: 'no result' })
    for (const { name, isRight, detail } of results[order]) {
      if (!isRight && trial.explained?.[name] === undefined) found.push({ package: trial.package, order, name, detail })
    }
  }
  const wrong = new Set([...results.before, ...results.after].filter(({ isRight }) => !isRight).map(({ name }) => name))
  for (const name of Object.keys(trial.explained ?? {})) {
    if (!wrong.has(name)) found.push({ package: trial.package, order: 'before', name, detail: 'explained, but right in both orders: take the explanation away' })
  }
  return found
}

/** The table as Markdown. */
export function markdown (rows: Row[], versions: string): string {
  const lines = rows.map((row) => {
    const { trial, version, results } = row
    return `| ${[trial.package, version, cell(trial, results.before), cell(trial, results.after), notes(trial)].join(' | ')} |`
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
  return wrong.length > 0 ? `${results.length - wrong.length} of ${results.length}, see right` : `ok (${results.length})`
}

function notes ({ note, explained }: Trial): string {
  const reasons = Object.entries(explained ?? {}).map(([name, reason]) => name === 'boot' ? reason : `${name}: ${reason}`)
  return [note, ...reasons].filter((text) => text !== undefined).join(' ').replaceAll('|', '\\|')
}
