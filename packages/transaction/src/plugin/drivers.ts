import type { FastifyBaseLogger, FastifyInstance, RouteOptions } from 'fastify'
import { surviveLostConnections } from '../postgres/checkout.ts'
import type { Driver } from '../core/driver.ts'
import { TransactionUsageError } from '../errors.ts'
import { describeRouteName } from './server-record.ts'
import { MongoDriver } from '../mongo/driver.ts'
import { Orphans } from '../mongo/orphans.ts'
import { noteErrorsOfClient } from '../mongo/noted-client.ts'
import type { RouteTransactionOptions } from '../options/route-options.ts'
import type { TransactionPluginOptions } from '../options/plugin-options.ts'
import { PostgresDriver } from '../postgres/driver.ts'
import type { Drivers } from '../http/route.ts'
import { singleStatementDriver } from '../postgres/single-statement.ts'
import { outsideTransaction, watchClient, watchPool } from '../core/outside-queries.ts'

/** Who ends what an earlier run of this process has left open; undefined where `mongo.instance` does not ask for it. */
export function createOrphans ({ mongo }: TransactionPluginOptions, log: FastifyBaseLogger): Orphans | undefined {
  return mongo?.instance === undefined ? undefined : new Orphans(mongo.client, mongo.instance, log)
}

/** The drivers of the stores that the plugin was given. */
export function createDrivers (
  options: TransactionPluginOptions,
  orphans: Orphans | undefined
): Omit<Drivers, 'twoPhase'> {
  const {
    pool,
    sql,
    mongo,
    checkoutTimeout = 3000,
    beginTimeout = 1000,
    pipelineBegin = true,
    commitTimeout = 5000,
    retryAfter = 1,
    resetSession = false
  } = options
  if (pool !== undefined && sql !== undefined) {
    throw new TransactionUsageError('transaction plugin: give pool or sql, not both')
  }
  if (pool === undefined && sql === undefined && mongo === undefined) {
    throw new TransactionUsageError('transaction plugin: give a pool, an sql driver, a mongo client, or both stores')
  }
  const shared = { checkoutTimeout, retryAfter, unwatched: outsideTransaction, resetSession }
  return {
    // Another store's transaction costs no round trip to begin.
    statement: pool === undefined ? sql : singleStatementDriver({ pool, ...shared }),
    sql: sql ?? (pool && new PostgresDriver({ pool, beginTimeout, pipelineBegin, commitTimeout, ...shared })),
    mongo: mongo &&
      new MongoDriver({ client: mongo.client, commitTimeout, ...(orphans === undefined ? {} : { ready: orphans.end }) })
  }
}

/** Ends at boot what an earlier run of this instance left open. */
export function endOrphansWhenReady (app: FastifyInstance, orphans: ReturnType<typeof createOrphans>): void {
  app.addHook('onReady', async function endOrphans () {
    await orphans?.end().catch((error: unknown) => {
      app.log.info(
        { store: 'mongodb', err: error },
        'MongoDB is away; the first transaction looks for those that an earlier run left open'
      )
    })
  })
}

/** Listens to pool and client until the app closes. */
export function listenToStores (
  app: FastifyInstance,
  { pool, mongo, detectOutsideQueries = process.env['NODE_ENV'] !== 'production' }: TransactionPluginOptions
): void {
  const undo: Array<() => void> = []
  if (pool !== undefined) {
    undo.push(surviveLostConnections(pool, function onIdleLost (error) {
      app.log.warn({ err: error }, 'an idle database connection was lost')
    }))
  }
  if (mongo !== undefined) undo.push(noteErrorsOfClient(mongo.client))
  if (detectOutsideQueries && pool !== undefined) undo.push(watchPool(pool))
  if (detectOutsideQueries && mongo !== undefined) {
    if (!mongo.client.options.monitorCommands) {
      app.log.info(
        'MongoDB operations that forget their session go unnoticed: create the client with monitorCommands: true in development and tests'
      )
    }
    undo.push(watchClient(mongo.client))
  }
  app.addHook('onClose', async function stopListening () {
    // In the opposite order: the last wrapper of the pool's `connect` is the first to go.
    for (const stop of undo.reverse()) stop()
  })
}

/**
 * `transaction_timeout` came with PostgreSQL 17: a default is left out on older servers, a route that asks for it
 * refuses to boot.
 */
export async function refuseTransactionTimeout (
  driver: Driver | undefined,
  routes: Iterable<RouteOptions>,
  defaults: RouteTransactionOptions
): Promise<void> {
  const declaring = [...routes].find(({ config }) =>
    typeof config?.transaction === 'object' && config.transaction.transactionTimeout !== undefined
  )
  if (!(driver instanceof PostgresDriver) || (declaring === undefined && defaults.transactionTimeout === undefined)) {
    return
  }
  if (await driver.knowsTransactionTimeout() || declaring === undefined) return
  throw new TransactionUsageError(
    `config.transaction of ${describeRouteName(declaring)}: transactionTimeout needs PostgreSQL 17 or newer`
  )
}
