// `npm run bench -- [--rounds 5] [--seconds 1] [--connections 16] [--peers bare,service,control] [--write]`
import { availableParallelism, cpus, loadavg, tmpdir } from 'node:os'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { spawnSync } from 'node:child_process'
import { startEmbedded } from '../scripts/embedded/index.ts'
import { migrate } from '../drizzle/migrate.ts'
import { fill } from './data.ts'
import { measure, type Sample } from './load.ts'
import { allPeers, build, tsx, type Databases, type Peer } from './peers.ts'
import { startPeer, type Running } from './process.ts'
import { chart, summarize, table, writeReport, type Measured } from './report.ts'
import { routesOver, size, type Route } from './routes.ts'

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '1' },
    connections: { type: 'string', default: '16' },
    peers: { type: 'string' },
    write: { type: 'boolean', default: false }
  }
})
const rounds = Number(values.rounds)
const canPin = process.platform === 'linux' && availableParallelism() > 1 && spawnSync('taskset', ['--version']).status === 0

build()
// What a test with doubles pays, measured alone in a process of its own.
spawnSync(tsx, [path.join(import.meta.dirname, 'doubles.ts')], { stdio: 'inherit' })
const dataDir = mkdtempSync(path.join(tmpdir(), 'tandem-bench-'))
const servers = await startEmbedded({ dataDir, postgres: true, mongodb: true, onProgress: console.error })
try {
  await bench()
} finally {
  await servers.stop()
  rmSync(dataDir, { recursive: true, force: true })
}

async function bench (): Promise<void> {
  const databases = databasesOf()
  await migrate(databases.DATABASE_URL)
  const load = loadavg()
  const { running, skipped } = await startAll(databases)
  try {
    const postIds = await fill(databases.DATABASE_URL, databases.MONGODB_URL, databases.MONGODB_DATABASE, size)
    const routes = routesOver(size, postIds)
    await compareBodies(running, routes)
    const measured = await measureAll(running, routes)
    const result = summarize(measured, { rounds, seconds: Number(values.seconds), connections: Number(values.connections), skipped, load: [load, loadavg()], cpu: cpus()[0]?.model ?? 'unknown' })
    console.log(table(result))
    writeFileSync(path.join(import.meta.dirname, 'result.json'), JSON.stringify(result, null, 2) + '\n')
    if (values.write) writeReport(result, chart(result))
  } finally {
    await Promise.all(running.map((peer) => peer.stop()))
  }
}

function databasesOf (): Databases {
  const { postgres, mongodb } = servers
  if (postgres === undefined || mongodb === undefined || mongodb.how === 'missing') throw new Error('the bench needs both databases')
  return { DATABASE_URL: postgres.url, MONGODB_URL: mongodb.url, MONGODB_DATABASE: 'bench' }
}

async function startAll (databases: Databases): Promise<{ running: Running[], skipped: Record<string, string> }> {
  const skipped: Record<string, string> = {}
  const running: Running[] = []
  const wanted = values.peers?.split(',')
  await fill(databases.DATABASE_URL, databases.MONGODB_URL, databases.MONGODB_DATABASE, { ...size, posts: 10 })
  for (const peer of allPeers().filter(({ name }) => wanted === undefined || wanted.includes(name))) {
    const reason = peer.missing() ?? await tryStart(peer, databases, running)
    if (reason === undefined) continue
    skipped[peer.name] = reason
    console.error(`skipped ${peer.name}: ${reason}`)
  }
  return { running, skipped }
}

async function tryStart (peer: Peer, databases: Databases, running: Running[]): Promise<string | undefined> {
  try {
    running.push(await startPeer(peer.name, peer.command, { ...databases, DATABASE_POOL_SIZE: '20', ...peer.env }, canPin ? 0 : undefined))
    return undefined
  } catch (error) {
    if (peer.name === 'bare' || peer.name === 'service') throw error
    return error instanceof Error ? error.message : String(error)
  }
}

/** Figures of servers that answer different things cannot be compared. */
async function compareBodies (running: Running[], routes: Route[]): Promise<void> {
  for (const route of routes.filter(({ method }) => method === 'GET')) {
    const bodies = await Promise.all(running.map(async (peer) => normalize(await (await fetch(peer.origin + route.path(0.5))).json())))
    running.forEach((peer, index) => {
      if (bodies[index] !== bodies[0]) throw new Error(`${route.name}: ${peer.name} answers ${bodies[index]?.slice(0, 300)}, ${running[0]?.name} answers ${bodies[0]?.slice(0, 300)}`)
    })
  }
}

/** Field order and the spelling of an instant are no difference. */
function normalize (value: unknown): string {
  return JSON.stringify(value, (_key, inner: unknown) => {
    if (typeof inner === 'string' && /^\d{4}-\d\d-\d\dT/.test(inner)) return new Date(/Z|[+-]\d\d:\d\d$/.test(inner) ? inner : `${inner}Z`).toISOString()
    if (typeof inner !== 'object' || inner === null || Array.isArray(inner)) return inner
    return Object.fromEntries(Object.entries(inner).filter(([, field]) => field !== null).toSorted(([a], [b]) => a < b ? -1 : 1))
  })
}

async function measureAll (running: Running[], routes: Route[]): Promise<Measured[]> {
  const samples = new Map<string, Sample[]>()
  for (const peer of running) for (const route of routes) await measure(peer, route, 4, 0.5)
  for (let round = 0; round < rounds; round++) {
    for (const route of routes) {
      for (let turn = 0; turn < running.length; turn++) {
        const peer = running[(turn + round) % running.length]
        if (peer === undefined) continue
        const key = `${peer.name} ${route.name}`
        samples.set(key, [...samples.get(key) ?? [], await measure(peer, route, Number(values.connections), Number(values.seconds))])
      }
    }
    console.error(`round ${round + 1} of ${rounds}`)
  }
  return running.flatMap((peer) => routes.map((route) => ({ peer: peer.name, route: route.name, samples: samples.get(`${peer.name} ${route.name}`) ?? [] })))
}
