import { AsyncLocalStorage } from 'node:async_hooks'
import type { FastifyInstance } from 'fastify'
import * as streams from 'fastify-change-stream'
import * as outbox from 'fastify-outbox'
import { mongoDatabase } from '../mongo/index.ts'
import { closeWithApp, toPoolConfig } from '../sql/postgres/background.ts'
import { Pool } from '../sql/postgres/pool.ts'
import type { SqliteReadWritePool } from '../sql/sqlite/read-write-pool.ts'
import { TransactionError } from 'fastify-transaction'
import { FenceError } from './fence/errors.ts'
import { Fence } from './fence/fence.ts'
import type { RunSql } from './sql.ts'

/** Where outbox and positions are kept, and how other work of the projections reads and writes there. */
export interface Stores {
  engine: 'postgres' | 'sqlite'
  outbox: outbox.OutboxStore
  streams: streams.StreamStore
  /** Runs a function in a transaction of the background connections. */
  transaction: RunSql
  /** The same on a connection that the fence does not check. */
  unchecked: RunSql
  fence: Fence
}

// One for each topic and stream, one for measuring, one to spare.
const CONNECTIONS = 4
const FENCE_CONNECTIONS = 2
// A server that has gone silent; longer than any statement takes.
const SILENCE_MS = 20_000
// A copy reads MongoDB between its statements.
const COPY_MS = 60_000

/**
 * Opens connections of the projections' own, so that the background never takes one from a request nor waits behind
 * requests.
 */
export function openStores (app: FastifyInstance): Stores {
  return app.sqlite === undefined ? postgresStores(app) : sqliteStores(app, app.sqlite)
}

/** MongoDB's database while it can be asked. */
export function reachableMongo (app: FastifyInstance) {
  return app.mongoState.state === 'up' ? mongoDatabase(app) : undefined
}

function postgresStores (app: FastifyInstance): Stores {
  const config = (max: number) => toPoolConfig(app, { name: 'tandem projections', max, silenceMs: SILENCE_MS })
  const rules = { size: CONNECTIONS, maxWaiting: 1000, prePing: true, queryTimeout: SILENCE_MS, guardsAlways: true }
  const pool = new Pool(config(CONNECTIONS), rules)
  const own = new Pool(config(FENCE_CONNECTIONS), { ...rules, size: FENCE_CONNECTIONS, guardsAlways: false })
  closeWithApp(app, 'the projections', [pool, own])
  const streamStore = streams.postgresStore(pool)
  const unchecked: RunSql = (fn) => streams.postgresStore(own).transaction(COPY_MS, fn)
  const fence = createFence(app, 'postgres', unchecked)
  guard(app, pool, fence)
  return {
    engine: 'postgres',
    outbox: outbox.postgresStore(pool),
    streams: streamStore,
    transaction: (fn) => streamStore.transaction(COPY_MS, fn),
    unchecked,
    fence
  }
}

// Each checkout of the projections is checked, for a connection may lead to a primary that others have left. A replica
// serves reads of requests; the projections have nothing to do there.
function guard (app: FastifyInstance, pool: Pool, fence: Fence): void {
  const outside = AsyncLocalStorage.snapshot() // a request's own transaction has no part in it
  pool.guard = async (client) => {
    if (!await fence.check(client)) throw new Error('the database is a replica: projections work on the primary')
    return true
  }
  const requests = app.hasDecorator('pg') ? app.pg.pool : undefined
  if (requests instanceof Pool) {
    requests.guard = (client) => outside(() => fence.check(client)).catch(refuse)
    requests.isSuspect = () => fence.condition === 'not one pair'
  }
}

/**
 * In the words of pools: a server that was left behind is a connection that broke, stores that are no pair are away.
 */
function refuse (error: unknown): never {
  if (!(error instanceof FenceError)) throw error
  if (error.reason !== 'another server') throw new TransactionError('TX_CONNECTION_LOST', 503, error.message, error)
  throw Object.assign(new Error(error.message, { cause: error }), { code: 'ECONNRESET' })
}

function createFence (app: FastifyInstance, engine: Stores['engine'], transaction: RunSql): Fence {
  return new Fence({
    engine,
    transaction,
    mongo: () => reachableMongo(app),
    isPassing: app.config.DATABASE_URL === ':memory:',
    log: app.log
  })
}

function sqliteStores (app: FastifyInstance, pool: SqliteReadWritePool): Stores {
  const unchecked: RunSql = async (fn) => {
    const session = await pool.begin({ readOnly: false, isAborted: () => false, isUnguarded: true })
    const result = await fn(session).catch(async (error: unknown) => {
      // SQLite may have rolled back by itself, as it does on a full disk; the connection is given back all the same.
      await session.end('rollback').catch(() => {})
      throw error
    })
    await session.end('commit')
    return result
  }
  const fence = createFence(app, 'sqlite', unchecked)
  const guard = createSqliteGuard(app, fence)
  pool.guard = () => guard()?.catch(refuse)
  const transaction: RunSql = async (fn) => {
    await guard()
    return await unchecked(fn)
  }
  return {
    engine: 'sqlite',
    outbox: outbox.sqliteStore(transaction),
    streams: streams.sqliteStore(transaction),
    transaction,
    unchecked,
    fence
  }
}

/**
 * The file cannot be exchanged under a running service: one comparison with MongoDB opens it. While the stores are no
 * pair each statement asks again, and all of them wait for the same answer.
 * @returns undefined where there is nothing to ask
 */
function createSqliteGuard (app: FastifyInstance, fence: Fence): () => Promise<void> | undefined {
  const outside = AsyncLocalStorage.snapshot()
  let isOpen = false
  let hasMet = false
  let comparison: Promise<void> | undefined
  async function compare (): Promise<void> {
    const isThere = reachableMongo(app) !== undefined
    await fence.compare()
    isOpen = true
    hasMet = isThere
  }
  return () => {
    // Compared while MongoDB was away, the file was compared with nothing.
    const isDone = isOpen && (hasMet || reachableMongo(app) === undefined)
    if (isDone && fence.condition !== 'not one pair') return undefined
    comparison ??= outside(compare).finally(() => {
      comparison = undefined
    })
    return comparison
  }
}
