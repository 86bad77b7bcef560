import { readFileSync, writeFileSync } from 'node:fs'
import { cpus } from 'node:os'
import path from 'node:path'
import { barTable } from './bars.ts'
import type { Sample } from './load.ts'
import type { Conditions, Measured, Result } from './result.ts'
import { ratios, spread, type Spread } from './statistics.ts'

const docs = path.join(import.meta.dirname, '..', 'docs')

/** Medians over the rounds, and ratios of the service to each peer. */
export function summarize (measured: Measured[], conditions: Conditions): Result {
  const series = (peer: string, route: string, figure: (sample: Sample) => number) =>
    measured.find((each) => each.peer === peer && each.route === route)?.samples.map(figure) ?? []
  const throughput = ({ requestsPerSecond }: Sample) => requestsPerSecond
  const cpu = ({ cpu: time }: Sample) => time ?? Number.NaN
  const rows = measured.map(({ peer, route, samples }) => ({
    route,
    peer,
    requestsPerSecond: spread(samples.map(throughput)),
    cpu: spread(samples.map(cpu)),
    postgresCpu: spread(samples.map(({ servers }) => servers.postgres ?? Number.NaN)),
    mongodCpu: spread(samples.map(({ servers }) => servers.mongod ?? Number.NaN)),
    p50: spread(samples.map(({ p50 }) => p50)),
    p99: spread(samples.map(({ p99 }) => p99)),
    errors: samples.reduce((sum, { errors }) => sum + errors, 0),
    serviceOver: ratios(series('service', route, throughput), samples.map(throughput)),
    serviceCpuOver: ratios(series('service', route, cpu), samples.map(cpu))
  }))
  return { version: 1, node: process.version, ...conditions, rows }
}

/** A Markdown table, a line for each route and peer. */
export function table ({ rows }: Result): string {
  const lines = rows.toSorted((a, b) => a.route < b.route ? -1 : Number(a.route > b.route)).map((row) =>
    [
      row.route,
      row.peer,
      Math.round(row.requestsPerSecond.median),
      figure(Math.round(row.cpu.median)),
      figure(Math.round(row.postgresCpu.median)),
      figure(Math.round(row.mongodCpu.median)),
      figure(row.p50.median),
      figure(row.p99.median),
      ratio(row.serviceOver),
      ratio(row.serviceCpuOver),
      row.errors
    ].join(' | ')
  )
  const head =
    'route | peer | requests/s | CPU µs | of PostgreSQL | of mongod | p50 ms | p99 ms | service ÷ peer, throughput | service ÷ peer, CPU | errors'
  return ['', head, '--- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---:', ...lines].map((line) =>
    line === '' ? line : `| ${line} |`
  ).join('\n')
}

// pgbench tells neither its processor time nor a p99.
function figure (value: number): string {
  return Number.isNaN(value) ? '–' : String(value)
}

/** Two series beside each other: few of something, and many of it. */
export interface Grown {
  name: string
  few: number[]
  many: number[]
}

/**
 * A Markdown table of times in milliseconds, and how they grow.
 * @param of what is measured
 * @param things what there are few and many of
 * @param digits decimals of the times
 */
export function growthTable (
  of: string,
  [few, many]: [few: number, many: number],
  things: string,
  rows: Grown[],
  digits: number
): string {
  const count = (amount: number): string => `${amount.toLocaleString('en')} ${things}`
  const time = (series: number[]): string => `${spread(series).median.toFixed(digits)} ms`
  return [
    `| ${of} | p50 with ${count(few)} | with ${count(many)} | ratio |`,
    '| --- | ---: | ---: | ---: |',
    ...rows.map((row) => `| ${row.name} | ${time(row.few)} | ${time(row.many)} | ${ratio(ratios(row.many, row.few))} |`)
  ].join('\n')
}

function ratio ({ median, min, max }: Spread): string {
  return Number.isNaN(median) ? '–' : `${median.toFixed(2)} [${min.toFixed(2)}–${max.toFixed(2)}]`
}

/** Throughput of every peer as bars, the service at 1, as an SVG that needs nothing else. */
export function chart ({ rows }: Result): string {
  const routes = [...new Set(rows.map(({ route }) => route))]
  const peers = [...new Set(rows.map(({ peer }) => peer))].filter((peer) => peer !== 'control')
  const bar = 14
  const group = peers.length * bar + 18
  const colours = ['#64748b', '#2563eb', '#d97706', '#9333ea', '#059669', '#dc2626', '#0f172a']
  const bars = routes.flatMap((route, at) =>
    peers.map((peer, turn) => {
      const row = rows.find((each) => each.route === route && each.peer === peer)
      if (row === undefined) return ''
      const share = 1 / row.serviceOver.median
      const y = 30 + at * group + turn * bar
      const width = Math.round(Math.min(share, 3) * 160)
      return `<rect x="230" y="${y}" width="${width}" height="${bar - 2}" fill="${colours[turn % colours.length]}"/>` +
        `<text x="${236 + width}" y="${y + 10}">${peer} ${share.toFixed(2)}</text>`
    })
  )
  const labels = routes.map((route, at) =>
    `<text x="222" y="${42 + at * group}" text-anchor="end">${route.replaceAll('{', '&#123;')}</text>`
  )
  const height = 40 + routes.length * group
  return `<svg xmlns="http://www.w3.org/2000/svg" width="860" height="${height}" font-family="sans-serif" font-size="11">` +
    `<rect width="860" height="${height}" fill="#fff"/><text x="230" y="18" font-weight="bold">Requests per second, the service = 1 (longer is faster)</text>${
      [...labels, ...bars].join('')
    }</svg>\n`
}

/** Writes the bars and the table into docs/performance.md, and the chart beside it. */
export function writeReport (result: Result, svg: string): void {
  const skipped = Object.entries(result.skipped).map(([peer, reason]) => `Not run: ${peer}, ${reason}.`)
  const conditions =
    `${machine()}, ${result.connections} connections, ${result.rounds} rounds of about ${result.seconds} s, ` +
    `load ${result.load.map((load) => load[0]?.toFixed(1)).join(' to ')}. From this one machine only.`
  const details = ['<details><summary>All routes and peers</summary>', '', table(result).trim(), '', '</details>']
  writeBetween(
    'bench',
    [
      conditions,
      ...skipped,
      '',
      barTable(result),
      '',
      '![Throughput of the peers, the service at 1](performance.svg)',
      '',
      ...details
    ].join('\n')
  )
  writeFileSync(path.join(docs, 'performance.svg'), svg)
}

/** Replaces what stands between the markers of that name in docs/performance.md. */
export function writeBetween (name: string, text: string): void {
  const file = path.join(docs, 'performance.md')
  const whole = readFileSync(file, 'utf8')
  const [start, end] = [`<!-- ${name}:start -->`, `<!-- ${name}:end -->`]
  const before = whole.slice(0, whole.indexOf(start) + start.length)
  writeFileSync(file, [before, text, whole.slice(whole.indexOf(end))].join('\n'))
}

/** Date, Node and processor, for the record. */
export function machine (): string {
  return `${new Date().toISOString().slice(0, 10)}, Node ${process.version}, ${cpus().length} × ${
    cpus()[0]?.model ?? 'unknown processor'
  }`
}
