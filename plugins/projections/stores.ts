import type { FastifyInstance } from 'fastify'
import pg from 'pg'
import * as streams from 'fastify-change-stream'
import * as outbox from 'fastify-outbox'
import type { SqliteReadWritePool } from '../sql/sqlite/read-write-pool.ts'

/** One statement; `$1`, `$2`… stand for the values, on both engines. */
export interface Sql {
  query: (text: string, values?: unknown[]) => Promise<{ rows: unknown[]; rowCount?: number | null }>
}

/** Where outbox and positions are kept, and how other work of the projections reads and writes there. */
export interface Stores {
  outbox: outbox.OutboxStore
  streams: streams.StreamStore
  /** Runs a function in a transaction of the background connections. */
  transaction: <Result>(fn: (tx: Sql) => Promise<Result>) => Promise<Result>
}

// One for each topic and stream, one for measuring, one to spare.
const CONNECTIONS = 4
// A server that has gone silent; longer than any statement takes.
const SILENCE_MS = 20_000
// A copy reads MongoDB between its statements.
const COPY_MS = 60_000

/** Opens connections of the projections' own, so that the background never takes one from a request nor waits behind requests. */
export function openStores (app: FastifyInstance): Stores {
  if (app.sqlite !== undefined) return sqliteStores(app.sqlite)
  const config = {
    connectionString: app.config.DATABASE_URL,
    fallback_application_name: 'tandem projections',
    keepAlive: true,
    query_timeout: SILENCE_MS,
    connectionTimeoutMillis: 5000
  }
  const pool = new pg.Pool({ ...config, max: CONNECTIONS, idleTimeoutMillis: 30_000 })
  pool.on('error', (error) => {
    app.log.warn({ reason: error.message }, 'a connection of the projections was lost')
  })
  app.addHook('onClose', async function closeProjections () {
    await pool.end()
  })
  const streamStore = streams.postgresStore(pool, { connect: () => new pg.Client(config) })
  return {
    outbox: outbox.postgresStore(pool),
    streams: streamStore,
    transaction: (fn) => streamStore.transaction(COPY_MS, fn)
  }
}

function sqliteStores (pool: SqliteReadWritePool): Stores {
  async function transaction<Result> (fn: (tx: Sql) => Promise<Result>): Promise<Result> {
    const session = await pool.begin({ readOnly: false, isAborted: () => false })
    const result = await fn(session).catch(async (error: unknown) => {
      // SQLite may have rolled back by itself, as it does on a full disk; the connection is given back all the same.
      await session.end('rollback').catch(() => {})
      throw error
    })
    await session.end('commit')
    return result
  }
  return { outbox: outbox.sqliteStore(transaction), streams: streams.sqliteStore(transaction), transaction }
}
