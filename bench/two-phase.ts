// `npm run bench:two-phase [-- <rounds>]`: what routes cost where PostgreSQL prepares transactions and where not, in
// pairs, and a commit of both stores beside one whose copy follows.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import pg from 'pg'
import { buildService } from '../scripts/ledger/build-service.ts'
import { startServers } from './databases.ts'
import { measure } from './load.ts'
import { startPeer, type Running } from './process.ts'
import type { Route } from './routes.ts'
import { ratios, spread } from './statistics.ts'

const ENV = { NODE_ENV: 'production', LOG_LEVEL: 'silent', RATE_LIMIT_MAX: '0', SHUTDOWN_DELAY_MS: '0' }
const CONNECTIONS = 8
const AMOUNT = 400
let count = 0

const email = () => `${process.pid}-${count++}@example.com`
const routes = {
  read: { name: 'GET /users/{id}', method: 'GET', path: () => '/users/1' },
  write: {
    name: 'POST /users/',
    method: 'POST',
    path: () => '/users',
    body: () => JSON.stringify({ name: 'x', email: email() })
  },
  both: {
    name: 'POST /users/with-post',
    method: 'POST',
    path: () => '/users/with-post',
    body: () =>
      JSON.stringify({ name: 'x', email: email(), post: { title: 'First', content: 'Hello', category: 'news' } })
  }
} satisfies Record<string, Route>

const rounds = Number(process.argv[2] ?? 10)
const folder = mkdtempSync(path.join(tmpdir(), 'tandem-two-phase-'))
const ends: Array<() => Promise<void>> = []
try {
  const server = buildService(folder)
  const start = async (name: string, flags: string[]): Promise<Running> => {
    const servers = await startServers(flags)
    ends.push(() => servers.stop())
    const databases = await servers.make('bench')
    await addReader(databases.DATABASE_URL)
    const command = [process.execPath, server]
    const peer = await startPeer(
      { name, what: name, command, env: ENV, missing: () => undefined },
      databases
    )
    ends.push(() => peer.stop())
    await measure(peer, routes.write, CONNECTIONS, AMOUNT)
    return peer
  }
  const without = await start('without', ['max_prepared_transactions=0'])
  const prepares = await start('with', [])
  for (const route of [routes.read, routes.write]) {
    await compare(`${route.name}, with two-phase`, [prepares, route], [without, route])
  }
  await compare(`${routes.both.name} beside ${routes.write.name}`, [prepares, routes.both], [prepares, routes.write])
} finally {
  for (const end of ends.toReversed()) await end()
  rmSync(folder, { recursive: true, force: true })
}

/** Adds the user that is read. */
async function addReader (url: string): Promise<void> {
  const client = new pg.Client(url)
  await client.connect()
  await client.query("INSERT INTO users (name, email) VALUES ('read', 'read@example.com')")
  await client.end()
}

/** Measures two in turns, so that what the machine does meets both, and prints the ratio of their times. */
async function compare (name: string, one: [Running, Route], other: [Running, Route]): Promise<void> {
  const times = { one: [] as number[], other: [] as number[] }
  for (let round = 0; round < rounds; round++) {
    const turns = [['one', one], ['other', other]] as const
    for (const [which, [peer, route]] of round % 2 === 0 ? turns : turns.toReversed()) {
      const { requestsPerSecond, errors } = await measure(peer, route, CONNECTIONS, AMOUNT)
      if (errors > 0) throw new Error(`${peer.name}: ${errors} of ${route.name} were not answered with a success`)
      times[which].push(1000 * CONNECTIONS / requestsPerSecond)
    }
  }
  const { median, min, max } = ratios(times.one, times.other)
  const [a, b] = [spread(times.one).median, spread(times.other).median]
  console.log(
    `${name}: ${a.toFixed(2)} ms instead of ${b.toFixed(2)} ms, ratio ${median.toFixed(2)} (${min.toFixed(2)} to ${
      max.toFixed(2)
    })`
  )
}
