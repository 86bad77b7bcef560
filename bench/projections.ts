// `tsx bench/projections.ts [-- --writes 200 --backlog 5000]`: how soon each copy follows, and how much it can carry.
import { parseTokens } from '../plugins/read-your-writes/token.ts'
import { loadavg } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { ObjectId } from 'mongodb'
import { buildApp, type App } from '../app.ts'
import { mongoDatabase } from '../plugins/mongo/index.ts'
import { startServers } from './databases.ts'
import type { Databases } from './peers.ts'

const { values } = parseArgs({
  options: { writes: { type: 'string', default: '200' }, backlog: { type: 'string', default: '5000' } }
})
const [writes, backlog] = [Number(values.writes), Number(values.backlog)]
const servers = await startServers()
try {
  console.log(`load ${loadavg().map((load) => load.toFixed(1)).join(' ')}`)
  const databases = await servers.make('projections')
  console.table({ ...await latencies(databases), ...await throughputs(databases) })
} finally {
  await servers.stop()
}

async function withApp<Result> (
  databases: Databases,
  isOn: boolean,
  work: (app: App) => Promise<Result>
): Promise<Result> {
  const app = await buildApp({ logger: false, settings: { NODE_ENV: 'test', PROJECTIONS: isOn, ...databases } })
  try {
    return await work(app)
  } finally {
    await app.close()
  }
}

/** Milliseconds from the answer of a write until the other store has it. */
async function latencies (databases: Databases): Promise<Record<string, object>> {
  return await withApp(databases, true, async (app) => {
    const author = (await app.inject({
      method: 'POST',
      url: '/users',
      payload: { email: 'author@example.com', name: 'Author' },
      headers: { prefer: 'wait=10' }
    })).json<{ id: number }>().id
    const users = await follow(app, (n) => ['/users', { email: `user${n}@example.com`, name: 'User' }])
    const posts = await follow(
      app,
      (n) => ['/posts', { title: `Post ${n}`, content: 'x'.repeat(500), category: 'bench', author_id: author }]
    )
    return { 'users → MongoDB, answer to copy': users, 'posts → SQL, answer to copy': posts }
  })
}

async function follow (app: App, write: (n: number) => [string, object]): Promise<object> {
  const times: number[] = []
  for (let n = 0; n < writes; n++) {
    const [url, payload] = write(n)
    const reply = await app.inject({ method: 'POST', url, payload })
    const answered = performance.now()
    const token = String(reply.headers['consistency-token'])
    const wanted = parseTokens(token)
    if (wanted === undefined || !await app.awaitProjections(wanted, 10_000)) throw new Error(`${token} did not arrive`)
    times.push(performance.now() - answered)
  }
  const sorted = times.toSorted((a, b) => a - b)
  const at = (share: number) => `${(sorted[Math.floor(share * (sorted.length - 1))] ?? 0).toFixed(1)} ms`
  return { median: at(0.5), p95: at(0.95), longest: at(1) }
}

/** A backlog that was written while nobody carried anything over. */
async function throughputs (databases: Databases): Promise<Record<string, object>> {
  await withApp(databases, false, async (app) => {
    await app.pg.query(
      "INSERT INTO users (email, name) SELECT 'backlog' || n || '@example.com', 'User' FROM generate_series(1, $1) AS n",
      [backlog]
    )
    const moment = { created_at: new Date(), updated_at: new Date() }
    const posts = Array.from(
      { length: backlog },
      () => ({
        _id: new ObjectId(),
        title: 'Backlog',
        content: 'x'.repeat(500),
        category: 'bench',
        author_id: 1,
        ...moment
      })
    )
    await mongoDatabase(app).collection('posts').insertMany(posts)
  })
  return await withApp(databases, true, async (app) => {
    const started = performance.now()
    const perSecond = async (isDone: () => Promise<boolean>) => {
      while (!await isDone()) await sleep(10)
      return { 'per second': Math.round(backlog / (performance.now() - started) * 1000) }
    }
    const count = async (sql: string) => Number((await app.pg.query<{ n: string }>(sql)).rows[0]?.n)
    const [users, posts] = await Promise.all([
      perSecond(async () => await count('SELECT count(*) AS n FROM outbox') === 0),
      perSecond(async () => await count("SELECT count(*) AS n FROM posts WHERE title = 'Backlog'") === backlog)
    ])
    return { 'users → MongoDB, backlog': users, 'posts → SQL, backlog': posts }
  })
}
