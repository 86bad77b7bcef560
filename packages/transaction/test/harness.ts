import { randomBytes } from 'node:crypto'
import Fastify, { type FastifyInstance, type FastifyServerOptions } from 'fastify'
import pg from 'pg'
import tap, { type Test } from 'tap'
import transaction, { type TransactionPluginOptions } from '../src/index.ts'
import { SCHEMA } from '../../../scripts/scenarios/fixture.ts'
import { readRun } from '../../../test/databases/run.ts'
import { sendTo, comesTrue, type Send } from './http.ts'

export { comesTrue, sendTo, signal, type Answer, type Send } from './http.ts'

/** The tables of the scenarios, and a note on each item. */
const schema = `${SCHEMA} alter table item add note text;`

type Tables = 'item' | 'parent' | 'child' | 'doctor' | 'slow'

export interface Database {
  url: string
  /** Connections of the test's own, never of the app. */
  admin: pg.Pool
  /** What is committed in a table, ids in order. */
  ids: (table?: Tables) => Promise<number[]>
}

/** A database of this file's own with the tables above. */
export async function database (t: Test): Promise<Database> {
  const url = new URL(readRun().postgres)
  const name = `transaction_${randomBytes(6).toString('hex')}`
  const cluster = new pg.Client({ connectionString: url.href })
  await cluster.connect()
  await cluster.query(`create database ${name}`)
  await cluster.end()
  url.pathname = `/${name}`
  const admin = new pg.Pool({ connectionString: url.href, max: 3, application_name: 'test' })
  await admin.query(schema)
  t.teardown(() => admin.end())
  async function ids (table: Tables = 'item'): Promise<number[]> {
    const { rows } = await admin.query<{ id: number }>(`select id from ${table} order by id`)
    return rows.map(({ id }) => id)
  }
  return { url: url.href, admin, ids }
}

const endings = new WeakMap<Test, Array<() => Promise<void>>>()

/** A sub-test that ends with the checks of its stages; in a teardown, tap would not say what they found. */
export function test (name: string, body: (t: Test) => Promise<void>): void {
  void tap.test(name, async (t) => {
    endings.set(t, [])
    try {
      await body(t)
    } finally {
      for (const end of endings.get(t) ?? []) await end()
    }
  })
}

/** What every setup's pool and plugin are made with; transaction-pipeline.test.ts and transaction-begin.test.ts add to it. */
export const poolDefaults: pg.PoolConfig = { max: 5, application_name: 'app', connectionTimeoutMillis: 3000 }
export const pluginDefaults: TransactionPluginOptions = {}

export interface SetupOptions {
  database: Database
  pool?: pg.PoolConfig
  fastify?: FastifyServerOptions
  plugin?: (pool: pg.Pool) => TransactionPluginOptions
  /** True: transactions cannot work on this pool, so the last check does not try one. */
  isBroken?: boolean
  /** Runs before the plugin is registered. */
  before?: (app: FastifyInstance) => unknown
  routes: (app: FastifyInstance, pool: pg.Pool) => unknown
}

export interface Setup {
  app: FastifyInstance
  pool: pg.Pool
  origin: string
  send: Send
}

/**
 * A bare Fastify with only the plugin, listening, on empty tables. When the test ends nothing may be checked out,
 * waiting or idle in a transaction, every checkout must have been given back exactly once, and the next request must
 * work.
 */
export async function setup (t: Test, options: SetupOptions): Promise<Setup> {
  const { admin, url } = options.database
  await admin.query('truncate item, parent, child, doctor, slow')
  const pool = new pg.Pool({ ...poolDefaults, connectionString: url, ...options.pool })
  const balance = countCheckouts(pool)
  const app = Fastify({ forceCloseConnections: true, ...options.fastify })
  await options.before?.(app)
  await app.register(transaction, { ...pluginDefaults, ...(options.plugin?.(pool) ?? { pool }) })
  await options.routes(app, pool)
  app.post('/after-the-test', { config: { transaction: true } }, async function next (request) {
    return await request.transaction.query('select 1')
  })
  const origin = await app.listen({ host: '127.0.0.1', port: 0 })
  // The client of these tests speaks HTTP/1.1.
  const isHttp2 = 'http2' in Object(options.fastify)
  const next = async () =>
    isHttp2
      ? (await app.inject({ method: 'POST', url: '/after-the-test' })).statusCode
      : (await sendTo(origin)('POST', '/after-the-test')).status
  endings.get(t)?.push(async () => {
    try {
      await isClean(t, options.database, pool, balance)
      if (app.server.listening && options.isBroken !== true) t.equal(await next(), 200, 'the next request works')
      await isClean(t, options.database, pool, balance)
    } finally {
      await app.close()
      await pool.end()
    }
  })
  return { app, pool, origin, send: sendTo(origin) }
}

interface Balance {
  acquired: number
  released: number
}

function countCheckouts (pool: pg.Pool): Balance {
  const balance = { acquired: 0, released: 0 }
  pool.on('acquire', () => {
    balance.acquired++
  })
  pool.on('release', () => {
    balance.released++
  })
  return balance
}

async function isClean (t: Test, { admin }: Database, pool: pg.Pool, balance: Balance): Promise<void> {
  const left = async () => {
    const { rows } = await admin.query<{ n: number }>(`select count(*)::int as n from pg_stat_activity
      where datname = current_database() and backend_type = 'client backend' and state <> 'idle' and application_name <> 'test'`)
    return { checkedOut: pool.totalCount - pool.idleCount, waiting: pool.waitingCount, busySessions: rows[0]?.n }
  }
  const nothing = { checkedOut: 0, waiting: 0, busySessions: 0 }
  await comesTrue(async () => JSON.stringify(await left()) === JSON.stringify(nothing))
  t.same(await left(), nothing, 'nothing is left behind')
  t.equal(balance.released, balance.acquired, 'every connection was given back exactly once')
}

/** Collects a logger's lines. */
export function logLines (): {
  lines: Array<Record<string, unknown>>
  logger: { level: string; stream: { write: (line: string) => void } }
} {
  const lines: Array<Record<string, unknown>> = []
  return {
    lines,
    logger: {
      level: 'info',
      stream: {
        write: (line) => {
          lines.push(JSON.parse(line) as Record<string, unknown>)
        }
      }
    }
  }
}

/** Statements and COMMIT answers of a pool's connections, in order; `replies` adds the first byte of a reply. */
export function recordStatements (pool: pg.Pool, events: string[]): void {
  pool.on('connect', (client) => {
    const query = client.query.bind(client) as (...args: unknown[]) => Promise<pg.QueryResult>
    Object.assign(client, {
      query: (...args: unknown[]) => {
        const [statement] = args
        const text = typeof statement === 'string' ? statement : String((statement as { text?: string }).text)
        events.push(text.split(';')[0] ?? '')
        const result = query(...args)
        if (text === 'COMMIT') {
          result.then(() => {
            events.push('COMMIT answered')
          }, () => {
            events.push('COMMIT failed')
          })
        }
        return result
      }
    })
  })
}

export const transactional = { config: { transaction: true } } as const
