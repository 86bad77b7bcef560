import { setTimeout as sleep } from 'node:timers/promises'
import type { FastifyInstance, FastifyRequest, FastifyServerOptions } from 'fastify'
import type pg from 'pg'
import type plugin from 'fastify-transaction'
import { send } from './client.ts'
import { load } from './packages/load.ts'
import type { Order, TestApp, Trial } from './trial.ts'

const SETTLE_MS = 1500
/** What nobody waits for any more, but is not idle. */
const BUSY_SESSIONS = `select state from pg_stat_activity
  where datname = current_database() and application_name = 'app' and state <> 'idle'`

type CreateFastify = (options: FastifyServerOptions) => FastifyInstance

/** Stores a row in the request's transaction. */
export async function insert (request: FastifyRequest, id: number): Promise<void> {
  await request.transaction.query('insert into item values ($1)', [id])
}

interface TestAppOptions {
  trial: Trial
  order: Order
  databaseUrl: string
  /** A pool of another application_name, which sees what the app leaves behind. */
  admin: pg.Pool
  /** Adds the routes of the common checks. */
  addRoutes: (app: FastifyInstance) => void
}

/** Starts an app with the packed plugin and the trial's plugin. Every POST has a transaction. */
export async function openTestApp ({ trial, order, databaseUrl, admin, addRoutes }: TestAppOptions): Promise<TestApp> {
  const { default: Fastify } = await load<{ default: CreateFastify }>('fastify')
  const { default: { Pool } } = await load<{ default: typeof pg }>('pg')
  const { default: transaction } = await load<{ default: typeof plugin }>('fastify-transaction')
  const pool = new Pool({
    connectionString: databaseUrl,
    application_name: 'app',
    max: 5,
    connectionTimeoutMillis: 2000
  })
  const app = Fastify({ forceCloseConnections: 'idle' })
  app.addHook('onClose', () => pool.end())
  if (order === 'before') await trial.register(app)
  await app.register(transaction, { pool, methods: ['POST'] })
  if (order === 'after') await trial.register(app)
  addRoutes(app)
  trial.routes?.(app)
  const origin = await app.listen({ host: '127.0.0.1', port: 0 })
  return {
    app,
    origin,
    send: (sending) => send(origin, { ...sending, headers: { ...trial.headers, ...sending.headers } }),
    stored: async () => (await admin.query<{ id: number }>('select id from item order by id')).rows.map(({ id }) => id),
    held: () => heldBy(pool, admin),
    clean: async () => {
      await admin.query('truncate item, parent, child, doctor, slow')
    },
    close: async () => await Promise.race([app.close().then(() => ''), sleep(4000, 'the app does not close')])
  }
}

async function heldBy (pool: pg.Pool, admin: pg.Pool): Promise<string> {
  for (const end = performance.now() + SETTLE_MS;; await sleep(20)) {
    const { rows } = await admin.query<{ state: string }>(BUSY_SESSIONS)
    const checkedOut = pool.totalCount - pool.idleCount
    if (checkedOut === 0 && rows.length === 0) return ''
    const states = rows.map(({ state }) => state).join() || 'idle'
    if (performance.now() > end) return `${checkedOut} connections are held (${states})`
  }
}
