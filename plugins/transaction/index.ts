import fp from 'fastify-plugin'
import type { FastifyBaseLogger, FastifyInstance, FastifyRequest, RouteOptions } from 'fastify'
import type { Db, MongoClient } from 'mongodb'
import type { Pool } from 'pg'
import { AfterCommit } from './after-commit.ts'
import { surviveLostConnections } from './checkout.ts'
import type { Driver } from './driver.ts'
import { TransactionUsageError } from './errors.ts'
import { Exchange } from './exchange.ts'
import { createGate } from './gate.ts'
import { MongoDriver } from './mongo.ts'
import type { TransactionalDatabase } from './mongo-facade.ts'
import { Orphans } from './mongo-orphans.ts'
import { confirmedWrites } from './mongo-writes.ts'
import { guardObserver, type Observe } from './observe.ts'
import type { RouteTransactionOptions } from './options.ts'
import { pluginMistakes } from './options.ts'
import { PostgresDriver } from './postgres.ts'
import { rerun, wrapHandler } from './retry.ts'
import type { Drivers, TransactionRoute } from './route.ts'
import { describeRoute, planRoute } from './route.ts'
import type { CallOptions } from './run.ts'
import { runTransaction } from './run.ts'
import { singleStatementDriver } from './single-statement.ts'
import type { SqlDriver, SqlHandles } from './sql.ts'
import type { GivenHandle, Handle, Handles, Transaction } from './transaction.ts'
import { outsideTransaction, watchClient, watched, watchPool } from './watch.ts'

export type { BegunTransaction, Observation, Observe, TransactionSummary } from './observe.ts'
export type { RouteTransactionOptions, TransactionOptions } from './options.ts'
export type { ReplyAddition, ReplyCallback } from './before-reply.ts'
export type { CallOptions } from './run.ts'
// By star: an app that fills `TransactionTypes` could not add to a name exported one by one.
export type * from './transaction.ts'
export type { TransactionalCollection, TransactionalDatabase } from './mongo-facade.ts'
export type { TransactionalAggregationCursor, TransactionalFindCursor } from './mongo-cursor.ts'
export type { SqlClient, SqlDriver, SqlHandles, SqlTransaction } from './sql.ts'
export * from './errors.ts'
export type { Answer } from './answers.ts'
export { answerFor, driverErrorOf } from './answers.ts'
export { confirmedWrites } from './mongo-writes.ts'
export { outsideTransaction } from './watch.ts'

/** Options of the plugin. Times are milliseconds, `retryAfter` is seconds. */
export interface TransactionPluginOptions {
  /** The pool that SQL transactions take their connections from. The plugin never ends it. */
  pool?: Pool
  /** Another SQL store than a pg pool; instead of `pool`. */
  sql?: SqlDriver
  /** How `request.db` is made; see `drizzleHandles`. Default: none, use `request.transaction.query`. */
  db?: SqlHandles<GivenHandle>
  /**
   * The client and database of `store: 'mongo'`. Transactions need a replica set.
   * `instance`: the client's `appName`, where no other running process connects under it; what a killed process of that
   * name left open is then ended at boot. Default: nothing is ended.
   */
  mongo?: { client: MongoClient, db: Db, instance?: string | undefined }
  /** Methods whose routes get a transaction without asking. Default: none. */
  methods?: string[]
  /** Route options where a route does not say otherwise. */
  defaults?: RouteTransactionOptions
  /**
   * How long dead connections are replaced, and a full pool without a `connectionTimeoutMillis` of its own is waited for, before
   * a request gets 503. Default 3000.
   */
  checkoutTimeout?: number
  /** How long BEGIN may take before its connection counts as dead. Default 1000. */
  beginTimeout?: number
  /** How long COMMIT may take before its outcome counts as unknown. Default 5000. */
  commitTimeout?: number
  /** `Retry-After` of 503 answers. Default 1. */
  retryAfter?: number
  /** Put before route and request id in `application_name`, for example the service's name. Default none. */
  applicationName?: string
  /** Refuse a second checkout inside a transaction, and MongoDB operations that forgot the session. Default: unless NODE_ENV is production. */
  detectStrays?: boolean
  /** How long closing the app waits for after-commit callbacks; 0: as long as they take. Default 10000. */
  closeTimeout?: number
  /**
   * Undo what statements have set for the session (settings, role, LISTEN, advisory locks, temporary tables) before its
   * connection goes back to the pool; prepared statements stay. Costs the connection a round trip, which no reply waits for.
   * Default false.
   */
  resetSession?: boolean
  /** Told of each transaction that sends something, for metrics and tracing. Default none. */
  observe?: Observe
}

declare module 'fastify' {
  interface FastifyRequest {
    /** This request's transaction. Throws a sentence on a route without one. */
    readonly transaction: Transaction
    /** The app's SQL handle: on this request's transaction, or autocommit on a route without one. */
    readonly db: Handle
    /** MongoDB collections: on this request's transaction, or plain on a route without one. */
    readonly mongo: TransactionalDatabase
  }
  interface FastifyInstance {
    /** Runs a function in one transaction outside any request. */
    transaction: <Result>(work: (transaction: Transaction) => Promise<Result>, options?: CallOptions) => Promise<Result>
  }
}

const exchangeKey = Symbol('transaction.exchange')

interface WithExchange { [exchangeKey]: Exchange | null }

function exchangeOf (request: FastifyRequest): Exchange | undefined {
  return (request as FastifyRequest & WithExchange)[exchangeKey] ?? undefined
}

async function transactionPlugin (app: FastifyInstance, options: TransactionPluginOptions): Promise<void> {
  const { methods = [], defaults = {}, retryAfter = 1, applicationName = '' } = options
  const mistakes = pluginMistakes({ ...options })
  if (mistakes.length > 0) throw new TransactionUsageError(`transaction plugin: ${mistakes.join('; ')}`)
  const orphans = orphansOf(options, app.log)
  const drivers = createDrivers(options, orphans)
  const forgetPool = options.pool && surviveLostConnections(options.pool, function onIdleLost (error) { app.log.warn({ err: error }, 'an idle database connection was lost') })
  const callbacks = new AfterCommit(app.log, options.closeTimeout)
  const prefix = applicationName === '' ? '' : `${applicationName} `
  const observe = options.observe && guardObserver(options.observe, app.log)
  const isWatching = options.detectStrays ?? process.env['NODE_ENV'] !== 'production'
  const context = { drivers, defaults, prefix, retryAfter, isWatching, handles: { db: options.db, mongo: options.mongo?.db }, afterCommit: callbacks.run, observe, log: app.log }

  decorateRequests(app, context.handles, options.mongo && confirmedWrites(options.mongo.client, options.mongo.db))
  app.decorate('transaction', (work, own = {}) => runTransaction(work, own, context))
  const gates = new Map<RouteOptions, unknown>()
  app.addHook('onRoute', function addTransaction (route) {
    const planned = planRoute(route, { methods, defaults, drivers })
    if (planned !== undefined) gates.set(route, bracket(route, planned, context, isWatching))
  })
  app.addHook('onReady', async function refuseLateHooks () { refuseHooksAfter(gates) })
  app.addHook('onReady', async function refuseOldServer () { await refuseTransactionTimeout(drivers.sql, gates.keys(), defaults) })
  app.addHook('onReady', async function endOrphans () {
    await orphans?.end().catch((error: unknown) => { app.log.info({ store: 'mongodb', err: error }, 'MongoDB is away; the first transaction looks for those that an earlier run left open') })
  })
  if (isWatching) watch(app, options)
  app.addHook('onClose', async function drainAfterCommit () {
    await callbacks.drain()
    forgetPool?.()
  })
}

/** Puts a route's handler between the beginning of a transaction and the gate that ends it. */
function bracket (route: RouteOptions, planned: TransactionRoute, context: ConstructorParameters<typeof Exchange>[3], isWatching: boolean): unknown {
  const inScope = <Result>(exchange: Exchange, work: () => Result) => isWatching ? watched(exchange.scope, work) : work()
  const { retries = 0, clientAbort } = planned.options
  if (retries > 0 || clientAbort === 'continue') route.handler = wrapHandler(route.handler, { exchangeOf, inScope })
  const { handler } = route

  function beginTransaction (request: FastifyRequest, reply: ConstructorParameters<typeof Exchange>[2], done: () => void): void {
    const exchange = new Exchange(planned, request, reply, context, runAgain)
    ;(request as typeof request & WithExchange)[exchangeKey] = exchange
    inScope(exchange, done)
  }
  function runAgain (exchange: Exchange): void {
    rerun(exchange, handler, { exchangeOf, inScope }).catch((error: unknown) => { exchange.reply.log.error({ err: error }, 'the handler could not be run again') })
  }
  const gate = createGate({ exchangeOf })
  route.preHandler = [beginTransaction, ...[route.preHandler ?? []].flat()]
  route.onSend = [...[route.onSend ?? []].flat(), gate]
  if (route.schema !== undefined) route.schema = Object.assign({}, route.schema, { 'x-transaction': describeRoute(planned) })
  return gate
}

function orphansOf ({ mongo }: TransactionPluginOptions, log: FastifyBaseLogger): Orphans | undefined {
  return mongo?.instance === undefined ? undefined : new Orphans(mongo.client, mongo.instance, log)
}

function createDrivers (options: TransactionPluginOptions, orphans: Orphans | undefined): Drivers {
  const { pool, sql, mongo, checkoutTimeout = 3000, beginTimeout = 1000, commitTimeout = 5000, retryAfter = 1, resetSession } = options
  if (pool !== undefined && sql !== undefined) throw new TransactionUsageError('transaction plugin: give pool or sql, not both')
  if (pool === undefined && sql === undefined && mongo === undefined) throw new TransactionUsageError('transaction plugin: give a pool, an sql driver, a mongo client, or both stores')
  return {
    // Another store's transaction costs no round trip to begin.
    statement: pool === undefined ? sql : singleStatementDriver({ pool, checkoutTimeout, retryAfter, resetSession, unwatched: outsideTransaction }),
    sql: sql ?? (pool && new PostgresDriver({ pool, checkoutTimeout, beginTimeout, commitTimeout, retryAfter, resetSession, unwatched: outsideTransaction })),
    mongo: mongo && new MongoDriver({ client: mongo.client, commitTimeout, ...(orphans === undefined ? {} : { ready: orphans.end }) })
  }
}

function decorateRequests (app: FastifyInstance, { db }: Handles, mongo: Db | undefined): void {
  app.decorateRequest(exchangeKey, null)
  app.decorateRequest('transaction', {
    getter () {
      const exchange = exchangeOf(this)
      if (exchange !== undefined) return exchange.transaction
      throw new TransactionUsageError(`${this.method} ${this.routeOptions.url ?? this.url} has no transaction: declare config: { transaction: true } on the route`)
    }
  })
  app.decorateRequest('db', {
    getter () { return (exchangeOf(this)?.transaction.db ?? given(db?.autocommit, 'db')) as Handle }
  })
  app.decorateRequest('mongo', {
    getter () { return exchangeOf(this)?.transaction.mongo ?? given(mongo, 'mongo') }
  })
}

function given<Value> (value: Value | undefined, option: string): Value {
  if (value === undefined) throw new TransactionUsageError(`the transaction plugin was registered without the ${option} option`)
  return value
}

function watch (app: FastifyInstance, { pool, mongo }: TransactionPluginOptions): void {
  if (pool !== undefined) {
    const unwatchPool = watchPool(pool)
    app.addHook('onClose', async function stopWatchingPool () { unwatchPool() })
  }
  if (mongo === undefined) return
  if (!mongo.client.options.monitorCommands) app.log.info('MongoDB operations that forget their session go unnoticed: create the client with monitorCommands: true in development and tests')
  const unwatch = watchClient(mongo.client)
  app.addHook('onClose', async function stopWatching () { unwatch() })
}

/** `transaction_timeout` came with PostgreSQL 17: a default is left out on older servers, a route that asks for it refuses to boot. */
async function refuseTransactionTimeout (driver: Driver | undefined, routes: Iterable<RouteOptions>, defaults: RouteTransactionOptions): Promise<void> {
  const declaring = [...routes].find(({ config }) => typeof config?.transaction === 'object' && config.transaction.transactionTimeout !== undefined)
  if (!(driver instanceof PostgresDriver) || (declaring === undefined && defaults.transactionTimeout === undefined)) return
  if (await driver.knowsTransactionTimeout() || declaring === undefined) return
  throw new TransactionUsageError(`config.transaction of ${[declaring.method].flat().join('|')} ${declaring.url}: transactionTimeout needs PostgreSQL 17 or newer`)
}

/** An onSend hook behind the gate would run after the COMMIT, and its failure could not be rolled back. */
function refuseHooksAfter (gates: Map<RouteOptions, unknown>): void {
  for (const [route, gate] of gates) {
    const hooks = [route.onSend ?? []].flat()
    const late = hooks.slice(hooks.findIndex((hook) => hook === gate) + 1)
    if (late.length === 0) continue
    const names = late.map((hook) => hook.name === '' ? 'an anonymous hook' : hook.name).join(', ')
    throw new TransactionUsageError(`${[route.method].flat().join('|')} ${route.url}: onSend runs ${names} after the COMMIT; register the plugin that adds it before the transaction plugin`)
  }
}

export default fp(transactionPlugin, { name: '@tandem/transaction', fastify: '5.x' })
