import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import type { Database } from '../drizzle/index.ts'
import { mongoDatabase, mongoInstance } from './mongo/index.ts'
import { sqlStore } from './sql/store.ts'
import transaction, { type Observe, type TransactionPluginOptions } from 'fastify-transaction'

declare module 'fastify-transaction' {
  interface TransactionTypes {
    /** `request.db` is the service's Drizzle handle. */
    db: Database
  }
}

declare module 'fastify' {
  interface FastifyInstance {
    /** Adds an observer of transactions, beside those of metrics and tracing. */
    observeTransactions: (observe: Observe) => void
  }
}

/** Registers fastify-transaction with the service's pool, Drizzle handle and MongoDB client; on for unsafe methods. */
export default fp(async function registerTransaction (app) {
  const { config } = app
  const observers: Observe[] = []
  app.decorate('observeTransactions', (observe) => {
    observers.push(observe)
  })
  await app.register(transaction, {
    ...sqlStore(app),
    ...mongoOptions(app),
    ...(app.bothStores === undefined ? {} : { twoPhase: app.bothStores }),
    applicationName: 'tandem',
    pipelineBegin: config.DATABASE_PIPELINE,
    methods: ['POST', 'PUT', 'PATCH', 'DELETE'],
    detectOutsideQueries: config.NODE_ENV !== 'production',
    observe: combineObservers(observers)
  })
}, {
  name: 'transaction',
  dependencies: ['config', 'tracing', 'sql', 'mongo', 'idempotency', 'two-phase'],
  fastify: '5.x'
})

function combineObservers (observers: Observe[]): Observe {
  return (begun) => {
    if (observers.length < 2) return observers[0]?.(begun)
    const all = observers.map((observe) => observe(begun)).filter((observation) => observation !== undefined)
    const arounds = all.flatMap(({ around }) => around ?? [])
    return {
      ...(arounds.length === 0
        ? {}
        : {
          around: <Result>(work: () => Result) =>
            arounds.reduce<() => Result>((inner, around) => () => around(inner), work)()
        }),
      onEnd: (summary) => {
        for (const observation of all) observation.onEnd(summary)
      }
    }
  }
}

function mongoOptions (app: FastifyInstance): Pick<TransactionPluginOptions, 'mongo'> {
  return { mongo: { client: app.mongo.client, db: mongoDatabase(app), instance: mongoInstance(app) } }
}
