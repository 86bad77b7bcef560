import { readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import type { Sample } from './load.ts'
import { ratios, spread, type Spread } from './statistics.ts'

/** The samples of one peer on one route, a sample per round. */
export interface Measured { peer: string, route: string, samples: Sample[] }

interface Conditions { rounds: number, seconds: number, connections: number, skipped: Record<string, string>, load: number[][], cpu: string }
interface Row {
  route: string
  peer: string
  requestsPerSecond: Spread
  cpu: Spread
  p50: Spread
  p99: Spread
  errors: number
  /** Throughput of the service as a multiple of this peer's. */
  serviceOver: Spread
  /** Processor time per request of the service as a multiple of this peer's. */
  serviceCpuOver: Spread
}

/** What a run has found. */
export interface Result extends Conditions { version: 1, node: string, rows: Row[] }

const markers = ['<!-- bench:start -->', '<!-- bench:end -->'] as const

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
  const lines = rows.toSorted((a, b) => a.route < b.route ? -1 : Number(a.route > b.route)).map((row) => [
    row.route, row.peer, Math.round(row.requestsPerSecond.median), Math.round(row.cpu.median), row.p50.median, row.p99.median,
    ratio(row.serviceOver), ratio(row.serviceCpuOver), row.errors
  ].join(' | '))
  const head = 'route | peer | requests/s | CPU µs | p50 ms | p99 ms | service ÷ peer, throughput | service ÷ peer, CPU | errors'
  return ['', head, '--- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---:', ...lines].map((line) => line === '' ? line : `| ${line} |`).join('\n')
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
  const colours = ['#64748b', '#2563eb', '#d97706', '#9333ea', '#059669', '#dc2626']
  const bars = routes.flatMap((route, at) => peers.map((peer, turn) => {
    const row = rows.find((each) => each.route === route && each.peer === peer)
    const share = row === undefined ? 0 : 1 / row.serviceOver.median
    const y = 30 + at * group + turn * bar
    const width = Math.round(Math.min(share, 3) * 160)
    return `<rect x="230" y="${y}" width="${width}" height="${bar - 2}" fill="${colours[turn % colours.length]}"/>` +
      `<text x="${236 + width}" y="${y + 10}">${peer} ${share.toFixed(2)}</text>`
  }))
  const labels = routes.map((route, at) => `<text x="222" y="${42 + at * group}" text-anchor="end">${route.replaceAll('{', '&#123;')}</text>`)
  const height = 40 + routes.length * group
  return `<svg xmlns="http://www.w3.org/2000/svg" width="860" height="${height}" font-family="sans-serif" font-size="11">` +
    `<rect width="860" height="${height}" fill="#fff"/><text x="230" y="18" font-weight="bold">Requests per second, the service = 1 (longer is faster)</text>${[...labels, ...bars].join('')}</svg>\n`
}

/** Writes the table into docs/performance.md between its markers, and the chart beside it. */
export function writeReport (result: Result, svg: string): void {
  const docs = path.join(import.meta.dirname, '..', 'docs')
  const file = path.join(docs, 'performance.md')
  const text = readFileSync(file, 'utf8')
  const [start, end] = markers
  const before = text.slice(0, text.indexOf(start) + start.length)
  const after = text.slice(text.indexOf(end))
  const skipped = Object.entries(result.skipped).map(([peer, reason]) => `Not run: ${peer}, ${reason}.`)
  const conditions = `${new Date().toISOString().slice(0, 10)}, Node ${result.node}, ${result.cpu}, ${result.connections} connections, ` +
    `${result.rounds} rounds of ${result.seconds} s, load ${result.load.map((load) => load[0]?.toFixed(1)).join(' to ')}. From this one machine only.`
  writeFileSync(file, [before, conditions, '', table(result).trim(), '', ...skipped, after].join('\n'))
  writeFileSync(path.join(docs, 'performance.svg'), svg)
}
