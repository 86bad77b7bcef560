// `npm run bench -- [--rounds 5] [--seconds 0.35] [--connections 16] [--peers bare,service,control,…] [--write]`
import { availableParallelism, loadavg } from 'node:os'
import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { spawnSync } from 'node:child_process'
import { TYPESCRIPT_ARGS, TYPESCRIPT_ENV } from '../scripts/typescript.ts'
import { fill } from './data.ts'
import { startServers } from './databases.ts'
import { barTable, CORE } from './bars.ts'
import { amountFor, measure, type Sample } from './load.ts'
import { allPeers, build, type Databases, type Peer } from './peers.ts'
import { measurePgbench, pgbenchMissing } from './pgbench.ts'
import { startPeer, type Running } from './process.ts'
import { chart, summarize, table, writeReport } from './report.ts'
import type { Measured } from './result.ts'
import { routesOver, size, type Route } from './routes.ts'

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '0.35' },
    connections: { type: 'string', default: '16' },
    peers: { type: 'string' },
    write: { type: 'boolean', default: false }
  }
})
const rounds = Number(values.rounds)
const connections = Number(values.connections)
/** Those that V8 compiles while they run. */
const NODE_PEERS = new Set(['bare', 'service', 'control', 'nest'])
const canPin = process.platform === 'linux' && availableParallelism() > 1 &&
  spawnSync('taskset', ['--version']).status === 0

build()
// What a test with doubles pays, measured alone in a process of its own.
spawnSync(process.execPath, [...TYPESCRIPT_ARGS, path.join(import.meta.dirname, 'doubles.ts')], {
  stdio: 'inherit',
  env: { ...process.env, ...TYPESCRIPT_ENV }
})
const servers = await startServers()
try {
  await bench()
} finally {
  await servers.stop()
}

async function bench (): Promise<void> {
  const databases = await servers.make('bench')
  const load = loadavg()
  const { running, skipped } = await startAll(databases)
  try {
    const postIds = await fill(databases.DATABASE_URL, databases.MONGODB_URL, databases.MONGODB_DATABASE, size)
    const routes = routesOver(size, postIds)
    await compareBodies(running, routes)
    const measured = await measureAll(running, routes, databases.DATABASE_URL, skipped)
    const result = summarize(measured, {
      rounds,
      seconds: Number(values.seconds),
      connections,
      skipped,
      load: [load, loadavg()]
    })
    console.log(table(result) + '\n\n' + barTable(result))
    writeFileSync(path.join(import.meta.dirname, 'result.json'), JSON.stringify(result, null, 2) + '\n')
    if (values.write) writeReport(result, chart(result))
  } finally {
    await Promise.all(running.map((peer) => peer.stop()))
  }
}

async function startAll (databases: Databases): Promise<{ running: Running[]; skipped: Record<string, string> }> {
  const skipped: Record<string, string> = {}
  const running: Running[] = []
  await fill(databases.DATABASE_URL, databases.MONGODB_URL, databases.MONGODB_DATABASE, { ...size, posts: 10 })
  for (const peer of allPeers().filter(({ name }) => wants(name))) {
    isThere(peer.name, peer.missing() ?? await tryStart(peer, databases, running), skipped)
  }
  return { running, skipped }
}

async function tryStart (peer: Peer, databases: Databases, running: Running[]): Promise<string | undefined> {
  try {
    running.push(await startPeer(peer, databases, canPin ? 0 : undefined))
    return undefined
  } catch (error) {
    if (peer.name === 'bare' || peer.name === 'service') throw error
    return error instanceof Error ? error.message : String(error)
  }
}

/** Figures of servers that answer different things cannot be compared. */
async function compareBodies (running: Running[], routes: Route[]): Promise<void> {
  for (const route of routes.filter(({ method }) => method === 'GET')) {
    const bodies = await Promise.all(
      running.map(async (peer) => normalize(await (await fetch(peer.origin + route.path(0.5))).json()))
    )
    running.forEach((peer, index) => {
      if (bodies[index] !== bodies[0]) {
        throw new Error(
          `${route.name}: ${peer.name} answers ${bodies[index]?.slice(0, 300)}, ${running[0]?.name} answers ${
            bodies[0]?.slice(0, 300)
          }`
        )
      }
    })
  }
}

/** Field order and the spelling of an instant are no difference. */
function normalize (value: unknown): string {
  return JSON.stringify(value, (_key, inner: unknown) => {
    if (typeof inner === 'string' && /^\d{4}-\d\d-\d\dT/.test(inner)) {
      return new Date(/Z|[+-]\d\d:\d\d$/.test(inner) ? inner : `${inner}Z`).toISOString()
    }
    if (typeof inner !== 'object' || inner === null || Array.isArray(inner)) return inner
    return Object.fromEntries(
      Object.entries(inner).filter(([, field]) => field !== null).toSorted(([a], [b]) => a < b ? -1 : 1)
    )
  })
}

/**
 * Peers take turns at each route, in another order each round. All rounds of a route follow its warm-up: a process that
 * did something else meanwhile, or nothing, needs twice the processor time for its next thousand requests.
 */
async function measureAll (
  running: Running[],
  routes: Route[],
  databaseUrl: string,
  skipped: Record<string, string>
): Promise<Measured[]> {
  const samples = new Map<string, Sample[]>()
  const add = (peer: string, route: Route, sample: Sample | undefined) => {
    if (sample !== undefined) {
      samples.set(`${peer} ${route.name}`, [...samples.get(`${peer} ${route.name}`) ?? [], sample])
    }
  }
  const hasPgbench = wants('pgbench') && isThere('pgbench', pgbenchMissing(), skipped)
  for (const route of routes) {
    const amounts = await warmUp(running, route)
    for (let round = 0; round < rounds; round++) {
      for (const peer of rotated(running, round)) {
        add(
          peer.name,
          route,
          await measure(peer, route, connections, amounts.get(peer.name) ?? connections, servers.cpu)
        )
      }
      if (hasPgbench) add('pgbench', route, await measurePgbench(servers.folder, databaseUrl, route.name, connections))
    }
    console.error(route.name)
  }
  const names = [...running.map(({ name }) => name), 'pgbench']
  return names.flatMap((peer) =>
    routes.map((route) => ({ peer, route: route.name, samples: samples.get(`${peer} ${route.name}`) ?? [] }))
  )
    .filter(({ samples: taken }) => taken.length > 0)
}

/**
 * A service runs for days, so its steady state is what counts: Node's CPU per request still halves between its first
 * and its tenth thousand.
 */
async function warmUp (running: Running[], route: Route): Promise<Map<string, number>> {
  const amounts = new Map<string, number>()
  const ofNode = CORE.includes(route.name) ? { seconds: 10, requests: 12_000 } : { seconds: 2, requests: 3000 }
  for (const peer of running) {
    amounts.set(
      peer.name,
      await amountFor(
        peer,
        route,
        connections,
        Number(values.seconds),
        NODE_PEERS.has(peer.name) ? ofNode : { seconds: 0.5 }
      )
    )
  }
  return amounts
}

function rotated<T> (all: T[], by: number): T[] {
  return all.map((_, turn) => all[(turn + by) % all.length] as T)
}

function wants (peer: string): boolean {
  return values.peers === undefined || values.peers.split(',').includes(peer)
}

function isThere (peer: string, reason: string | undefined, skipped: Record<string, string>): boolean {
  if (reason === undefined) return true
  skipped[peer] = reason
  console.error(`skipped ${peer}: ${reason}`)
  return false
}
