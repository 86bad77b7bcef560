import type { FastifyInstance } from 'fastify'
import { asDatabase } from '../../drizzle/index.ts'
import { doubleDriver } from 'fastify-transaction/double'
import { drizzleHandles } from 'fastify-transaction/drizzle'
import { findCheckoutRefusal, SavepointQueue, type SqlClient, type TransactionPluginOptions } from 'fastify-transaction'
import { sqliteDriver } from 'fastify-transaction/sqlite'
import { SqliteHandle } from './sqlite/handle.ts'

type StoreOptions = Pick<TransactionPluginOptions, 'pool' | 'sql' | 'db' | 'defaults'>

/**
 * What fastify-transaction is registered with: the engine under `app.db`, or the double in its place, and the bounds
 * that engine knows.
 */
export function sqlStore (app: FastifyInstance): StoreOptions {
  const { config } = app
  const defaults = { deadline: config.HANDLER_TIMEOUT_MS }
  const { sqlite } = app
  if (sqlite !== undefined && config.NODE_ENV !== 'production') sqlite.refuse = () => findCheckoutRefusal(sqlite)
  if (sqlite !== undefined) return { sql: sqliteDriver(sqlite), db: { autocommit: app.db, bind: bindSqlite }, defaults }
  if (!app.hasDecorator('pg')) return { sql: doubleDriver(), db: { autocommit: app.db, bind: () => app.db }, defaults }
  return {
    pool: app.pg.pool,
    db: drizzleHandles(app.db),
    defaults: {
      ...defaults,
      // Handlers touch nothing but their transaction, so a deadlock or a plan made stale by a migration is no reason to
      // fail.
      retries: 2,
      statementTimeout: config.DATABASE_STATEMENT_TIMEOUT_MS,
      lockTimeout: config.DATABASE_LOCK_TIMEOUT_MS,
      // Asks the server for its version at boot, which there is none of while routes are only read.
      ...(app.offline ? {} : { transactionTimeout: config.DATABASE_TRANSACTION_TIMEOUT_MS }),
      idleInTransactionTimeout: config.DATABASE_TRANSACTION_TIMEOUT_MS
    }
  }
}

function bindSqlite (client: SqlClient) {
  return asDatabase(SqliteHandle.on(new SavepointQueue(client)))
}
