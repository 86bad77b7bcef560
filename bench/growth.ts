// `npm run bench:growth -- [--posts 1000000] [--requests 220000] [--write]`: what happens with more posts, more events, more connections, more requests, callers that abuse it, and at the start. `--requests 0`: only the first.
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { abuse } from './abuse.ts'
import { startServers, type Servers } from './databases.ts'
import { fill } from './data.ts'
import { amountFor, measure, type Sample } from './load.ts'
import { outboxGrowth } from './outbox.ts'
import { allPeers, build, type Databases, type Peer } from './peers.ts'
import { memory, startPeer, type Running } from './process.ts'
import { growthTable, machine, writeBetween, type Grown } from './report.ts'
import { routesOver, size, type Route } from './routes.ts'
import { spread } from './statistics.ts'

const { values } = parseArgs({
  options: {
    posts: { type: 'string', default: '1000000' },
    requests: { type: 'string', default: '220000' },
    write: { type: 'boolean', default: false }
  }
})
const POSTS: [few: number, many: number] = [1000, Number(values.posts)]
const POSTS_PER_USER = 10
const CONNECTIONS = [16, 64, 256, 1000]
const ROUNDS = 5
const STARTS = 5
const LISTS = [
  'GET /users/summary',
  'GET /users/',
  'GET /posts/summaries',
  'GET /posts/by-category/{category}',
  'GET /user-analytics'
]

build()
const servers = await startServers()
try {
  const sections = [await morePosts(servers), await outboxGrowth(servers, POSTS)]
  if (values.requests !== '0') sections.push(...await oneDatabase(await servers.make('growth')))
  const text = sections.join('\n\n')
  console.log(text)
  if (values.write) writeBetween('growth', `${machine()}. From this one machine only.\n\n${text}`)
} finally {
  await servers.stop()
}

async function oneDatabase (databases: Databases): Promise<string[]> {
  const postIds = await fill(databases.DATABASE_URL, databases.MONGODB_URL, databases.MONGODB_DATABASE, size)
  const routes = routesOver(size, postIds)
  const starts = await spawns(databases)
  return [
    ...await withService(
      databases,
      async (
        service
      ) => [await moreConnections(service, routes), await moreRequests('The same process', service, routes)]
    ),
    await withService(databases, async (service) => await moreRequests('A new process', service, routes)),
    await withService(databases, abuse),
    starts
  ]
}

async function withService<Result> (
  databases: Databases,
  work: (service: Running) => Promise<Result>
): Promise<Result> {
  const service = await start('service', databases)
  try {
    return await work(service)
  } finally {
    await service.stop()
  }
}

/**
 * Two services on the same servers, one with many times the users and posts of the other, as many posts a user,
 * measured in turns one request at a time.
 */
async function morePosts ({ make }: Servers): Promise<string> {
  const running: Running[] = []
  try {
    const routes: Route[][] = []
    for (const posts of POSTS) {
      const databases = await make(`posts_${posts}`)
      const of = { ...size, users: posts / POSTS_PER_USER, posts }
      routes.push(
        routesOver(of, await fill(databases.DATABASE_URL, databases.MONGODB_URL, databases.MONGODB_DATABASE, of))
      )
      const peer = await start('service', databases)
      running.push(peer)
      await waitForIndexes(peer)
    }
    const rows: Grown[] = []
    for (const name of LISTS) rows.push(await grown(name, running, routes.map((all) => routeNamed(all, name))))
    return growthTable(`one request at a time, ${POSTS_PER_USER} posts a user`, POSTS, 'posts', rows, 1)
  } finally {
    await Promise.all(running.map((peer) => peer.stop()))
  }
}

/** The service makes them when it starts, over whatever is there, and answers nothing out of MongoDB until then. */
async function waitForIndexes ({ origin }: Running): Promise<void> {
  for (;;) {
    const { checks } = await (await fetch(`${origin}/readyz`)).json() as { checks: { mongodb: string } }
    if (checks.mongodb === 'up') return
    await sleep(500)
  }
}

async function grown (name: string, running: Running[], routes: Route[]): Promise<Grown> {
  const times: number[][] = running.map(() => [])
  for (const [at, peer] of running.entries()) await amountFor(peer, routes[at] as Route, 1, 0.1, { seconds: 1 })
  for (let round = 0; round < ROUNDS; round++) {
    for (const [at, peer] of running.entries()) {
      times[at]?.push(1000 / (await measure(peer, routes[at] as Route, 1, 100)).requestsPerSecond)
    }
  }
  const [few = [], many = []] = times
  return { name, few, many }
}

/** Many connections share the pool of twenty, whose queue is as long as by default. */
async function moreConnections (service: Running, routes: Route[]): Promise<string> {
  const lines: string[] = []
  for (const name of ['GET /users/{id}', 'POST /orders/']) {
    const route = routeNamed(routes, name)
    for (const connections of CONNECTIONS) {
      const amount = await amountFor(service, route, connections, 2, { seconds: 2 })
      lines.push(load(name, connections, await measure(service, route, connections, amount)))
    }
  }
  return [
    '| pool of 20 | connections | requests/s | p50 ms | p99 ms | errors |',
    '| --- | ---: | ---: | ---: | ---: | ---: |',
    ...lines
  ].join('\n')
}

function load (name: string, connections: number, { requestsPerSecond, p50, p99, errors }: Sample): string {
  return `| ${name} | ${connections} | ${Math.round(requestsPerSecond)} | ${p50} | ${p99} | ${errors} |`
}

/** Two reads for each order; the memory of the process after every tenth of the requests. */
async function moreRequests (who: string, service: Running, routes: Route[]): Promise<string> {
  const total = Number(values.requests)
  const [read, order] = [routeNamed(routes, 'GET /users/{id}'), routeNamed(routes, 'POST /orders/')]
  const tenths: string[] = [`0: ${Math.round(memory(service.pid) ?? 0)}`]
  let errors = 0
  for (let tenth = 1; tenth <= 10; tenth++) {
    const some = Math.round(total / 30)
    errors += (await measure(service, read, 16, 2 * some)).errors + (await measure(service, order, 16, some)).errors
    tenths.push(`${Math.round(total * tenth / 10).toLocaleString('en')}: ${Math.round(memory(service.pid) ?? 0)}`)
  }
  return `${who}: resident memory in MiB after so many requests, ⅔ GET /users/{id}, ⅓ POST /orders/, ${errors} errors: ${
    tenths.join(', ')
  }.`
}

/** Milliseconds from the start of the process to its first answer out of PostgreSQL. */
async function spawns (databases: Databases): Promise<string> {
  const times: Record<string, number[]> = { bare: [], service: [] }
  for (let turn = 0; turn < STARTS; turn++) {
    for (const [name, taken] of Object.entries(times)) {
      const began = performance.now()
      const peer = await start(name, databases)
      taken.push(performance.now() - began)
      await peer.stop()
    }
  }
  const said = Object.entries(times).map(([name, taken]) => `${name} ${Math.round(spread(taken).median)} ms`)
  return `From the start of the process to the first answer out of PostgreSQL, median of ${STARTS}: ${said.join(', ')}.`
}

/** The peer of that name, free to run on any core. */
async function start (name: string, databases: Databases): Promise<Running> {
  return await startPeer(allPeers().find((peer) => peer.name === name) as Peer, databases)
}

function routeNamed (routes: Route[], name: string): Route {
  return routes.find((route) => route.name === name) as Route
}
