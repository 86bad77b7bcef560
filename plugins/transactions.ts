import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import type { Database } from '../drizzle/index.ts'
import { mongoDatabase } from './mongo/index.ts'
import { sqlStore } from './sql/store.ts'
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
    ...sqlStore(app),
    ...mongoOptions(app),
    applicationName: 'tandem',
    methods: ['POST', 'PUT', 'PATCH', 'DELETE'],
    detectStrays: config.NODE_ENV !== 'production'
  })
}, { name: 'transactions', dependencies: ['config', 'sql', 'mongo'], fastify: '5.x' })

function mongoOptions (app: FastifyInstance): Pick<TransactionPluginOptions, 'mongo'> {
  return { mongo: { client: app.mongo.client, db: mongoDatabase(app) } }
}
