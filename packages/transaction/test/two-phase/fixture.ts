import diagnostics from 'node:diagnostics_channel'
import Fastify, { type FastifyInstance, type FastifyServerOptions } from 'fastify'
import { MongoClient, type Db } from 'mongodb'
import pg from 'pg'
import type { Test } from 'tap'
import transaction, { type TransactionPluginOptions } from '../../src/index.ts'
import { tableSql } from '../../src/two-phase/options.ts'
import { freshMongo, freshPostgres } from '../../../../test/fresh.ts'
import { comesTrue, sendTo, type Send } from '../harness.ts'
import { addRoutes, type Item } from './routes.ts'

export { comesTrue } from '../harness.ts'
export { addRoutes, twoPhase, type Item } from './routes.ts'

/** Databases of this test's own in both stores, with the tables of these tests. */
export interface Pair {
  sql: pg.Pool
  sqlUrl: string
  mongo: MongoClient
  mongoUrl: string
  db: Db
}

const schema = `${tableSql()};
create table item (id int primary key);
create table parent (id int primary key);
create table child (id int primary key, parent_id int references parent deferrable initially deferred)`

export async function pair (t: Test): Promise<Pair> {
  const [{ pool: sql, url: sqlUrl }, { client: mongo, url: mongoUrl, db }] = [
    await freshPostgres(t),
    await freshMongo(t)
  ]
  const stores = { sql, sqlUrl, mongo, mongoUrl, db }
  await prepareTables(stores)
  return stores
}

export async function prepareTables ({ sql, db }: Pair): Promise<void> {
  await sql.query(schema)
  await db.createCollection('item')
}

export interface Setup {
  app: FastifyInstance
  pool: pg.Pool
  client: MongoClient
  send: Send
  /** What each store has committed, ids in order. */
  stored: () => Promise<{ sql: number[]; mongo: number[] }>
  /** Waits until nothing is prepared and no record is left. */
  isClean: () => Promise<boolean>
}

export interface SetupOptions {
  pair: Pair
  fastify?: FastifyServerOptions
  pool?: pg.PoolConfig
  plugin?: Partial<TransactionPluginOptions>
  routes?: (app: FastifyInstance, parts: { pool: pg.Pool; client: MongoClient; db: Db }) => unknown
}

/** A bare Fastify with only the plugin, listening. When the test ends nothing may be prepared or checked out. */
export async function setup (t: Test, options: SetupOptions): Promise<Setup> {
  const { sqlUrl, mongoUrl, sql, db } = options.pair
  const pool = new pg.Pool({ connectionString: sqlUrl, max: 5, connectionTimeoutMillis: 3000, ...options.pool })
  const client = await new MongoClient(mongoUrl, {
    w: 'majority',
    serverSelectionTimeoutMS: 2000,
    monitorCommands: true
  })
    .connect()
  const app = Fastify({ forceCloseConnections: true, ...options.fastify })
  await app.register(transaction, { pool, mongo: { client, db: client.db(db.databaseName) }, ...options.plugin })
  if (options.routes === undefined) addRoutes(app)
  else await options.routes(app, { pool, client, db: client.db(db.databaseName) })
  const origin = await app.listen({ host: '127.0.0.1', port: 0 })
  const isClean = () => comesTrue(async () => (await leftOvers(options.pair)) === 0, 20_000)
  t.teardown(async () => {
    try {
      if (!await comesTrue(() => pool.totalCount === pool.idleCount)) {
        throw new Error('The test left a connection in use')
      }
      const { rows } = await sql.query('select gid from pg_prepared_xacts where database = current_database()')
      if (rows.length > 0) throw new Error(`The test left ${rows.length} transactions prepared`)
    } finally {
      await app.close()
      await client.close()
      await pool.end()
    }
  })
  return { app, pool, client, send: sendTo(origin), stored: () => stored(options.pair), isClean }
}

/** Records and prepared transactions that have not been removed. */
async function leftOvers ({ sql, db }: Pair): Promise<number> {
  const { rows: [row] } = await sql.query<{ n: number }>(
    `select (select count(*) from pg_prepared_xacts where database = current_database())::int +
       (select count(*) from two_phase_commits where gid like 'fastify-2p:%')::int as n`
  )
  // What was aborted and has ended stays for a day.
  const open = { at: { $exists: true }, settled_at: { $exists: false } }
  return (row?.n ?? 0) + await db.collection('two_phase_decisions').countDocuments(open)
}

export async function stored ({ sql, db }: Pair): Promise<{ sql: number[]; mongo: number[] }> {
  const { rows } = await sql.query<{ id: number }>('select id from item order by id')
  const documents = await db.collection<Item>('item').find().sort({ _id: 1 }).toArray()
  return { sql: rows.map(({ id }) => id), mongo: documents.map(({ _id }) => _id) }
}

/** Calls back at each step of a commit, until the test ends. */
export function onStep (t: Test, listener: (step: string, gid: string) => void): void {
  const listen = (message: unknown) => {
    const { step, gid } = message as { step: string; gid: string }
    listener(step, gid)
  }
  diagnostics.subscribe('fastify-transaction.two-phase', listen)
  t.teardown(() => {
    diagnostics.unsubscribe('fastify-transaction.two-phase', listen)
  })
}
