import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import type { Database } from '../drizzle/index.ts'
import { mongoDatabase } from './mongo/index.ts'
import { doubleDriver } from './transaction/double.ts'
import { drizzleHandles } from './transaction/drizzle.ts'
import transaction, { type TransactionPluginOptions } from './transaction/index.ts'

declare module './transaction/transaction.ts' {
  interface TransactionTypes {
    /** `request.db` is the service's Drizzle handle. */
    db: Database
  }
}

/** Registers plugins/transaction with the service's pool, Drizzle handle and MongoDB client; on for unsafe methods. */
export default fp(async function transactions (app) {
  const { config } = app
  await app.register(transaction, {
    ...sqlOptions(app),
    ...mongoOptions(app),
    applicationName: 'tandem',
    methods: ['POST', 'PUT', 'PATCH', 'DELETE'],
    defaults: {
      deadline: config.HANDLER_TIMEOUT_MS,
      statementTimeout: config.DATABASE_STATEMENT_TIMEOUT_MS,
      lockTimeout: config.DATABASE_LOCK_TIMEOUT_MS,
      transactionTimeout: config.DATABASE_TRANSACTION_TIMEOUT_MS,
      idleInTransactionTimeout: config.DATABASE_TRANSACTION_TIMEOUT_MS
    },
    detectStrays: config.NODE_ENV !== 'production'
  })
}, { name: 'transactions', dependencies: ['config', 'sql', 'mongo'], fastify: '5.x' })

function sqlOptions (app: FastifyInstance): Pick<TransactionPluginOptions, 'pool' | 'sql' | 'db'> {
  if (app.hasDecorator('pg')) return { pool: app.pg.pool, db: drizzleHandles(app.db) }
  return { sql: doubleDriver(), db: { autocommit: app.db, bind: () => app.db } }
}

function mongoOptions (app: FastifyInstance): Pick<TransactionPluginOptions, 'mongo'> {
  return { mongo: { client: app.mongo.client, db: mongoDatabase(app) } }
}
