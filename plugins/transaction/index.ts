import fp from 'fastify-plugin'
import type { FastifyBaseLogger, FastifyInstance, FastifyReply, FastifyRequest, onRequestHookHandler, RouteOptions } from 'fastify'
import type { Db, MongoClient } from 'mongodb'
import type { Pool } from 'pg'
import { AfterCommit } from './after-commit.ts'
import { surviveLostConnections } from './checkout.ts'
import { decorate } from './decorators.ts'
import type { Driver } from './driver.ts'
import { TransactionUsageError } from './errors.ts'
import type { HandlerRun } from './handler-run.ts'
import { clearPlanner, describeRouteName, findEarlierRoutes, findPlanner, findReply, getServerRecord, type ServerRecord } from './instances.ts'
import { MongoDriver } from './mongo.ts'
import type { TransactionalDatabase } from './mongo-facade.ts'
import { Orphans } from './mongo-orphans.ts'
import { confirmedWrites } from './mongo-writes.ts'
import { guardObserver, type Observe } from './observe.ts'
import { pluginMistakes, type RouteTransactionOptions } from './options.ts'
import type { PinnedHook } from './pin-hook.ts'
import { PostgresDriver } from './postgres.ts'
import { addTransactionHooks, runHandler, type RouteHooksContext } from './route-hooks.ts'
import { planRoute, type Drivers, type TransactionRoute } from './route.ts'
import { runTransaction, type CallContext, type CallOptions } from './run.ts'
import { singleStatementDriver } from './single-statement.ts'
import type { SqlDriver, SqlHandles } from './sql.ts'
import type { GivenHandle, Handle, Transaction } from './transaction.ts'
import { TransactionalRequest, type RequestContext } from './transactional-request.ts'
import { outsideTransaction, watchClient, watched, watchPool } from './watch.ts'

export type { BegunTransaction, Observation, Observe, TransactionSummary } from './observe.ts'
export type { RouteTransactionOptions, TransactionOptions } from './options.ts'
export type { ReplyAddition, ReplyCallback } from './before-reply.ts'
export type { CallOptions } from './run.ts'
export type { NamedTransaction } from './decorators.ts'
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
  /** How long a transaction that a hook has begun may be open while the body is still arriving; then 408. Default 1000; 0: no bound. */
  bodyTimeout?: number
  /**
   * Puts everything under this name: `request.billing.transaction`, `request.billing.db`, `request.billing.mongo` and
   * `app.billing.transaction`. Routes say `config: { transaction: { name: 'billing' } }`. For a second database, or where an
   * app has decorators of the usual names already. Default: none.
   */
  name?: string
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

interface Instance {
  /** How messages call this registration. */
  label: string
  record: ServerRecord
  drivers: Drivers
  defaults: RouteTransactionOptions
  methods: string[]
  context: RequestContext & CallContext
  findRun: (request: FastifyRequest) => HandlerRun | undefined
  watch: RouteHooksContext['watch']
}

async function transactionPlugin (app: FastifyInstance, options: TransactionPluginOptions): Promise<void> {
  const mistakes = pluginMistakes({ ...options })
  if (mistakes.length > 0) throw new TransactionUsageError(`transaction plugin: ${mistakes.join('; ')}`)
  const record = getServerRecord(app)
  const orphans = createOrphans(options, app.log)
  const drivers = createDrivers(options, orphans)
  const callbacks = new AfterCommit(app.log, options.closeTimeout)
  const instance = createInstance(app, options, { record, drivers, callbacks })
  refuseEarlierRoutes(app, options, instance)
  record.isUsed = true

  const planned = new Map<RouteOptions, PinnedHook>()
  app.addHook('onRoute', function addTransaction (route) {
    const plan = planRoute(route, { instance: options.name, methods: instance.methods, defaults: instance.defaults, drivers })
    if (plan !== undefined) planned.set(route, addHooks(route, plan, instance))
    else if (getPlan(route.config)?.instance === instance) forgetPlan(route)
  })
  if (!record.isComplete) app.addHook('onRequest', createRefusal(instance))
  app.addHook('onReady', async function checkCommitHooks () { refuseUnreadHooks(planned) })
  app.addHook('onReady', async function refuseOldServer () { await refuseTransactionTimeout(drivers.sql, planned.keys(), instance.defaults) })
  app.addHook('onReady', async function endOrphans () {
    await orphans?.end().catch((error: unknown) => { app.log.info({ store: 'mongodb', err: error }, 'MongoDB is away; the first transaction looks for those that an earlier run left open') })
  })
  listen(app, options)
  app.addHook('onClose', async function drainAfterCommit () { await callbacks.drain() })
}

/** What all routes and calls of this registration share, and the handles that requests get. */
function createInstance (app: FastifyInstance, options: TransactionPluginOptions, { record, drivers, callbacks }: { record: ServerRecord, drivers: Drivers, callbacks: AfterCommit }): Instance {
  const { name, methods = [], defaults = {}, retryAfter = 1, applicationName = '', bodyTimeout = 1000 } = options
  const isWatching = options.detectStrays ?? process.env['NODE_ENV'] !== 'production'
  const runKey = Symbol('transaction.run')
  type WithRun = FastifyRequest & { [runKey]: HandlerRun | null }
  const context: Instance['context'] = {
    drivers,
    defaults,
    handles: { db: options.db, mongo: options.mongo?.db },
    prefix: applicationName === '' ? '' : `${applicationName} `,
    retryAfter,
    bodyTimeout,
    isWatching,
    afterCommit: callbacks.run,
    observe: options.observe && guardObserver(options.observe, app.log),
    log: app.log,
    setRun: (request, run) => { (request as WithRun)[runKey] = run },
    runHandler: async ({ run, route }) => { if (route.handler !== undefined) await runHandler(run, route.handler(), instance) }
  }
  const instance: Instance = {
    label: name === undefined ? 'the transaction plugin' : `the transaction plugin named '${name}'`,
    record,
    drivers,
    defaults,
    methods,
    context,
    findRun: (request) => (request as WithRun)[runKey] ?? undefined,
    watch: isWatching ? (run, work) => watched(run.scope, work) : undefined
  }
  app.decorateRequest(runKey, null)
  decorate(app, {
    name,
    handles: context.handles,
    mongo: options.mongo && confirmedWrites(options.mongo.client, options.mongo.db),
    defaults,
    getRun: (request) => getRun(request, instance),
    runTransaction: (work, own = {}) => runTransaction(work, own, context)
  })
  return instance
}

// On the route's config, which each request can reach from its first hook on.
const planKey = Symbol('transaction.plan')

interface WithPlan { [planKey]?: { plan: TransactionRoute, instance: Instance } | undefined }

function getPlan (config: object | undefined): WithPlan[typeof planKey] {
  return (config as WithPlan | undefined)?.[planKey]
}

/** A copy of a planned route that has no transaction itself still has its config. */
function forgetPlan (route: RouteOptions): void {
  clearPlanner(route)
  route.config = Object.assign({}, route.config, { [planKey]: undefined })
}

function addHooks (route: RouteOptions, plan: TransactionRoute, instance: Instance): PinnedHook {
  route.config = Object.assign({}, route.config, { [planKey]: { plan, instance } })
  return addTransactionHooks(route, plan, {
    instance: instance.label,
    findRun: instance.findRun,
    begin: (planned, request, reply) => instance.findRun(request) ?? begin(planned, request, reply, instance),
    watch: instance.watch
  })
}

/** The run of a request whose route has a transaction of this instance, from the first hook on. */
function getRun (request: FastifyRequest, instance: Instance): HandlerRun | undefined {
  const run = instance.findRun(request)
  if (run !== undefined) {
    run.owner.noteHandle()
    return run
  }
  const planned = getPlan(request.routeOptions.config)
  if (planned === undefined || planned.instance !== instance) return undefined
  const reply = findReply(request)
  if (reply === undefined) throw new TransactionUsageError(`${planned.plan.name}: a hook asked for the transaction before the plugin could see the request: import the transaction plugin before Fastify is created, or register it before the hook is added`)
  const first = begin(planned.plan, request, reply, instance)
  first.owner.noteHandle()
  return first
}

function begin (plan: TransactionRoute, request: FastifyRequest, reply: FastifyReply, { context }: Instance): HandlerRun {
  return new TransactionalRequest(plan, request, reply, context).run
}

/** Where the plugin came too late to see every route at boot, it refuses those without their transaction before their handler runs. */
function createRefusal ({ methods }: Instance): onRequestHookHandler {
  return function refuseUnplannedRequests (request, _reply, done) {
    const { config, url = '' } = request.routeOptions
    const isMeant = config.transaction === undefined ? methods.includes(request.method) : config.transaction !== false
    if (!isMeant || request.is404 || findPlanner(config) !== undefined) return done()
    done(new TransactionUsageError(`${request.method} ${url} was declared before the transaction plugin, and has no transaction: register the transaction plugin, and await that, before the route is declared`))
  }
}

/** A route that was declared before would run without the transaction that `methods` promises. */
function refuseEarlierRoutes (app: FastifyInstance, { name }: TransactionPluginOptions, { methods, label }: Instance): void {
  for (const route of findEarlierRoutes(app)) {
    const isMeant = route.config?.transaction === undefined && [route.method].flat().some((method) => methods.includes(method))
    if (!isMeant || findPlanner(route) !== undefined) continue
    throw new TransactionUsageError(`${describeRouteName(route)} was declared before ${label}, whose methods give it a transaction: await app.register(transaction, …) before the route, or the plugin that adds it, is registered${name === undefined ? '; config: { transaction: false } opts out' : ''}`)
  }
}

/** Fastify must have read each route's hooks with the transaction's in their places. */
function refuseUnreadHooks (planned: Map<RouteOptions, PinnedHook>): void {
  for (const [route, hook] of planned) {
    if (hook.wasRead()) continue
    throw new TransactionUsageError(`${describeRouteName(route)}: another plugin has removed the transaction's hooks from the route's preHandler or onSend; register that plugin before the transaction plugin`)
  }
}

function createOrphans ({ mongo }: TransactionPluginOptions, log: FastifyBaseLogger): Orphans | undefined {
  return mongo?.instance === undefined ? undefined : new Orphans(mongo.client, mongo.instance, log)
}

function createDrivers (options: TransactionPluginOptions, orphans: Orphans | undefined): Drivers {
  const { pool, sql, mongo, checkoutTimeout = 3000, beginTimeout = 1000, commitTimeout = 5000, retryAfter = 1, resetSession = false } = options
  if (pool !== undefined && sql !== undefined) throw new TransactionUsageError('transaction plugin: give pool or sql, not both')
  if (pool === undefined && sql === undefined && mongo === undefined) throw new TransactionUsageError('transaction plugin: give a pool, an sql driver, a mongo client, or both stores')
  const shared = { checkoutTimeout, retryAfter, unwatched: outsideTransaction, resetSession }
  return {
    // Another store's transaction costs no round trip to begin.
    statement: pool === undefined ? sql : singleStatementDriver({ pool, ...shared }),
    sql: sql ?? (pool && new PostgresDriver({ pool, beginTimeout, commitTimeout, ...shared })),
    mongo: mongo && new MongoDriver({ client: mongo.client, commitTimeout, ...(orphans === undefined ? {} : { ready: orphans.end }) })
  }
}

/** Listens to pool and client until the app closes. */
function listen (app: FastifyInstance, { pool, mongo, detectStrays = process.env['NODE_ENV'] !== 'production' }: TransactionPluginOptions): void {
  const undo: Array<() => void> = []
  if (pool !== undefined) undo.push(surviveLostConnections(pool, function onIdleLost (error) { app.log.warn({ err: error }, 'an idle database connection was lost') }))
  if (detectStrays && pool !== undefined) undo.push(watchPool(pool))
  if (detectStrays && mongo !== undefined) {
    if (!mongo.client.options.monitorCommands) app.log.info('MongoDB operations that forget their session go unnoticed: create the client with monitorCommands: true in development and tests')
    undo.push(watchClient(mongo.client))
  }
  app.addHook('onClose', async function stopListening () { for (const stop of undo) stop() })
}

/** `transaction_timeout` came with PostgreSQL 17: a default is left out on older servers, a route that asks for it refuses to boot. */
async function refuseTransactionTimeout (driver: Driver | undefined, routes: Iterable<RouteOptions>, defaults: RouteTransactionOptions): Promise<void> {
  const declaring = [...routes].find(({ config }) => typeof config?.transaction === 'object' && config.transaction.transactionTimeout !== undefined)
  if (!(driver instanceof PostgresDriver) || (declaring === undefined && defaults.transactionTimeout === undefined)) return
  if (await driver.knowsTransactionTimeout() || declaring === undefined) return
  throw new TransactionUsageError(`config.transaction of ${[declaring.method].flat().join('|')} ${declaring.url}: transactionTimeout needs PostgreSQL 17 or newer`)
}

export default fp(transactionPlugin, { name: '@tandem/transaction', fastify: '5.x' })
