import { randomBytes } from 'node:crypto'
import type { Test } from 'tap'
import pg from 'pg'
import { buildApp, type App, type BuildOptions } from '../app.ts'
import { readRun } from './databases/run.ts'
import { comesTrue } from './until.ts'

export { comesTrue } from './until.ts'

/** A fresh database in each store. */
export interface Databases {
  databaseUrl: string
  mongoUrl: string
  mongoDatabase: string
}

/** The engines that routes are tested on: settings for `build`, by name. */
export const engines = { PostgreSQL: {}, SQLite: { DATABASE_URL: ':memory:' } } as const

/**
 * A migrated PostgreSQL database of its own, cloned from the template, and the name of an empty MongoDB database. They
 * are not dropped: the servers go with the run.
 * @param _t the test that uses them
 */
export async function databases (_t: Test): Promise<Databases> {
  const run = readRun()
  const name = `test_${randomBytes(6).toString('hex')}`
  await onCluster(async (client) => {
    await client.query(`create database ${name} template ${run.template} strategy file_copy`)
  })
  const url = new URL(run.postgres)
  url.pathname = name
  // The name of the application tells this test's connections from those of others.
  return { databaseUrl: url.href, mongoUrl: `${run.mongodb}&appName=${name}`, mongoDatabase: name }
}

/**
 * The whole app on fresh databases, ready for `inject`. The test fails if it leaves a connection, a transaction or a
 * waiting request behind.
 * @param t closes the app when it ends
 * @param options as `buildApp`; settings given here win over those of the fresh databases
 */
export async function build (t: Test, options: BuildOptions = {}): Promise<App> {
  const fresh = await databases(t)
  const app = await buildApp({
    logger: false,
    ...options,
    settings: {
      NODE_ENV: 'test',
      DATABASE_URL: fresh.databaseUrl,
      MONGODB_URL: fresh.mongoUrl,
      MONGODB_DATABASE: fresh.mongoDatabase,
      HOST: '127.0.0.1',
      PORT: 0,
      ...options.settings
    }
  })
  t.teardown(async () => {
    const left = await leftovers(app).finally(async () => {
      await app.close()
    })
    left.push(...await sessionsAfterClose(app.config.DATABASE_URL))
    if (left.length > 0) throw new Error(`The test left behind: ${left.join('; ')}`)
  })
  return app
}

/**
 * Lets the app listen on a free port of 127.0.0.1; closed with it.
 * @returns origin such as http://127.0.0.1:40123
 */
export async function listen (_t: Test, app: App): Promise<string> {
  return await app.listen({ host: '127.0.0.1', port: 0 })
}

async function leftovers (app: App): Promise<string[]> {
  const left: string[] = []
  const { pool } = app.pg ?? {}
  if (pool !== undefined && !await comesTrue(() => pool.waitingCount === 0 && pool.idleCount === pool.totalCount)) {
    left.push(`${pool.totalCount - pool.idleCount} connections in use, ${pool.waitingCount} requests waiting`)
  }
  const { sqlite } = app
  if (
    sqlite !== undefined &&
    !await comesTrue(() =>
      Object.values(sqlite.counts).every(({ open, idle, waiting }) => open === idle && waiting === 0)
    )
  ) {
    left.push(`SQLite connections in use or awaited: ${JSON.stringify(sqlite.counts)}`)
  }
  const open = app.mongo.client === undefined ? 0 : await openMongoTransactions(app)
  if (open > 0) left.push(`${open} open MongoDB transactions`)
  return left
}

async function openMongoTransactions (app: App): Promise<number> {
  if (app.mongoState.state !== 'up') return 0
  const ours = { appName: app.config.MONGODB_DATABASE, 'transaction.parameters.autocommit': false }
  const count = async () =>
    (await app.mongo.client.db('admin')
      .aggregate([{ $currentOp: { allUsers: true, idleSessions: true } }, { $match: ours }], {
        readConcern: { level: 'local' }
      }).toArray()).length
  try {
    await comesTrue(async () => await count() === 0)
    return await count()
  } catch {
    return 0 // the test has taken the server away
  }
}

async function sessionsAfterClose (url: string | undefined): Promise<string[]> {
  if (url === undefined || !url.startsWith('postgres')) return []
  const name = new URL(url).pathname.slice(1)
  return await onCluster(async (client) => {
    const count = async () => {
      // Autovacuum visits databases too.
      const { rows } = await client.query<{ n: number }>(
        "select count(*)::int as n from pg_stat_activity where datname = $1 and backend_type = 'client backend'",
        [name]
      )
      return rows[0]?.n ?? 0
    }
    await comesTrue(async () => await count() === 0)
    const sessions = await count()
    return sessions === 0 ? [] : [`${sessions} PostgreSQL sessions after close`]
  })
}

async function onCluster<T> (work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: readRun().postgres })
  await client.connect()
  try {
    return await work(client)
  } finally {
    await client.end()
  }
}
