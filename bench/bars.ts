import type { Result } from './result.ts'
import type { Spread } from './statistics.ts'

const WRITES = ['POST /users/', 'POST /orders/']
/** The three routes that most bars are about. */
export const CORE = ['GET /users/{id}', ...WRITES]
const LISTS = [
  'GET /users/',
  'GET /users/summary',
  'GET /user-analytics',
  'GET /posts/summaries',
  'GET /posts/by-category/{category}'
]
const ONE_POST = 'GET /posts/{id}'

/** The service and its control differ by up to so much in a run. */
const NOISE = 1.25

/** What the service is held to: its median ratio to a peer, at least or at most so much. */
interface Bar {
  peer: string
  routes: string[]
  figure: 'throughput' | 'CPU'
  floor: number
  stretch: number
}

const BARS: Bar[] = [
  { peer: 'bare', routes: ['GET /users/{id}'], figure: 'CPU', floor: 1, stretch: 0.9 },
  { peer: 'bare', routes: WRITES, figure: 'CPU', floor: 1.25, stretch: 1.15 },
  { peer: 'bare', routes: ['GET /users/'], figure: 'throughput', floor: 1.8, stretch: 2.5 },
  { peer: 'bare', routes: [ONE_POST], figure: 'throughput', floor: 1.1, stretch: 1.3 },
  { peer: 'go', routes: CORE, figure: 'throughput', floor: 0.85, stretch: 1 },
  { peer: 'go', routes: LISTS, figure: 'throughput', floor: 1, stretch: 1.2 },
  { peer: 'go', routes: [ONE_POST], figure: 'throughput', floor: 0.6, stretch: 0.8 },
  { peer: 'fastapi-best', routes: [...CORE, ...LISTS, ONE_POST], figure: 'throughput', floor: 1.2, stretch: 2 },
  { peer: 'fastapi', routes: ['GET /users/summary'], figure: 'throughput', floor: 1.2, stretch: 3 },
  {
    peer: 'fastapi',
    routes: [...CORE, ...LISTS.filter((route) => route !== 'GET /users/summary'), ONE_POST],
    figure: 'throughput',
    floor: 2,
    stretch: 3
  },
  { peer: 'pgbench', routes: ['GET /users/{id}'], figure: 'throughput', floor: 1 / 4, stretch: 1 / 3 },
  { peer: 'pgbench', routes: WRITES, figure: 'throughput', floor: 1 / 2, stretch: 2 / 3 }
]

/** A Markdown table of the bars, each route with what was measured; peers that did not run are left out. */
export function barTable ({ rows }: Result): string {
  const lines = BARS.flatMap((bar) =>
    bar.routes.flatMap((route) => {
      const row = rows.find((each) => each.peer === bar.peer && each.route === route)
      if (row === undefined) return []
      const ratio = bar.figure === 'CPU' ? row.serviceCpuOver : row.serviceOver
      const sign = bar.figure === 'CPU' ? '≤' : '≥'
      return [
        `| ${bar.figure} ÷ ${bar.peer} | ${route} | ${ratio.median.toFixed(2)} | ${sign} ${
          short(bar.floor)
        } | ${sign} ${short(bar.stretch)} | ${verdict(bar, ratio)} |`
      ]
    })
  )
  return ['| bar | route | measured | floor | stretch | |', '| --- | --- | ---: | ---: | ---: | --- |', ...lines].join(
    '\n'
  )
}

function verdict ({ figure, floor, stretch }: Bar, { median }: Spread): string {
  const reaches = (bar: number) => figure === 'CPU' ? median <= bar : median >= bar
  if (Number.isNaN(median)) return 'not measured'
  if (reaches(stretch)) return 'stretch'
  if (reaches(floor)) return 'met'
  return reaches(figure === 'CPU' ? floor * NOISE : floor / NOISE) ? 'missed within the noise' : 'missed'
}

function short (figure: number): string {
  return String(Number(figure.toFixed(2)))
}
