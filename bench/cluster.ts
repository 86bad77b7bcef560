// `npm run bench:cluster [-- <rounds>]`: two processes of `dist/scripts/cluster.js` beside one, in turns, with one
// budget of connections.
import path from 'node:path'
import { startServers } from './databases.ts'
import { fill } from './data.ts'
import { amountFor, measure } from './load.ts'
import { build, SERVICE_ENV } from './peers.ts'
import { startPeer, type Running } from './process.ts'
import { machine } from './report.ts'
import { routesOver, size, type Route } from './routes.ts'
import { ratios, spread } from './statistics.ts'

const CONNECTIONS = 32
const NAMES = ['GET /users/{id}', 'GET /users/summary', 'POST /users/']
const command = path.join(import.meta.dirname, '..', 'dist', 'scripts', 'cluster.js')
const rounds = Number(process.argv[2] ?? 7)

build()
const servers = await startServers()
const running: Running[] = []
try {
  const databases = await servers.make('cluster')
  const postIds = await fill(databases.DATABASE_URL, databases.MONGODB_URL, databases.MONGODB_DATABASE, size)
  for (const processes of ['1', '2']) {
    const name = `${processes} of cluster.js`
    running.push(
      await startPeer(
        {
          name,
          what: name,
          command: [process.execPath, command, processes],
          env: SERVICE_ENV,
          missing: () => undefined
        },
        databases
      )
    )
  }
  console.log(machine())
  for (const name of NAMES) await compare(name, routesOver(size, postIds).find((route) => route.name === name) as Route)
} finally {
  await Promise.all(running.map((peer) => peer.stop()))
  await servers.stop()
}

/** Measures both in turns, so that what the machine does meets both, and prints the ratio of what they answer. */
async function compare (name: string, route: Route): Promise<void> {
  const rates = running.map(() => [] as number[])
  const amounts = await Promise.all(running.map((peer) => amountFor(peer, route, CONNECTIONS, 1, { seconds: 3 })))
  for (let round = 0; round < rounds; round++) {
    for (const at of round % 2 === 0 ? [0, 1] : [1, 0]) {
      const { requestsPerSecond, errors } = await measure(
        running[at] as Running,
        route,
        CONNECTIONS,
        amounts[at] ?? 100
      )
      if (errors > 0) throw new Error(`${errors} of ${name} were not answered with a success`)
      rates[at]?.push(requestsPerSecond)
    }
  }
  const [one = [], two = []] = rates
  const { median, min, max } = ratios(two, one)
  const [a, b] = [spread(one).median, spread(two).median]
  console.log(
    `${name}: ${Math.round(a)} requests/s by one process, ${Math.round(b)} by two, ratio ${median.toFixed(2)} (${
      min.toFixed(2)
    } to ${max.toFixed(2)})`
  )
}
