import fp from 'fastify-plugin'
import type { FastifyInstance, RouteOptions } from 'fastify'
import { AfterCommit } from './plugin/after-commit.ts'
import { createRefusal, refuseEarlierRoutes, refuseUnreadHooks } from './plugin/boot-checks.ts'
import { refuseMisplacedDeclaration } from './plugin/declarations.ts'
import {
  createDrivers,
  createOrphans,
  endOrphansWhenReady,
  listenToStores,
  refuseTransactionTimeout
} from './plugin/drivers.ts'
import { TransactionUsageError } from './errors.ts'
import { addHooks, createInstance, forgetPlan, getPlan } from './plugin/instance.ts'
import { getServerRecord } from './plugin/server-record.ts'
import { createTwoPhase, startWhenReady, type TwoPhaseControl } from './plugin/two-phase.ts'
import type { TransactionalDatabase } from './mongo/facade.ts'
import { withoutUndefined } from './options/checks.ts'
import { pluginMistakes } from './options/route-options.ts'
import type { PinnedHook } from './http/pin-hook.ts'
import type { TransactionPluginOptions } from './options/plugin-options.ts'
import { planRoute } from './http/route.ts'
import type { CallOptions } from './app-transaction.ts'
import type { Handle } from './handles.ts'
import type { Transaction } from './transaction.ts'

export type { TransactionPluginOptions } from './options/plugin-options.ts'
export type { BegunTransaction, Observation, Observe, TransactionSummary } from './core/observe.ts'
export type { CrossStore, RouteTransactionOptions, TransactionOptions } from './options/route-options.ts'
export type { TwoPhaseControl } from './plugin/two-phase.ts'
export type { TwoPhaseOptions } from './two-phase/options.ts'
export type { Doubt, InDoubt } from './two-phase/in-doubt.ts'
export type { ReplyAddition, ReplyCallback } from './http/before-reply.ts'
export type { CallOptions } from './app-transaction.ts'
export type { NamedTransaction } from './plugin/decorators.ts'
// By star: an app that fills `TransactionTypes` could not add to a name exported one by one.
export type * from './handles.ts'
export type { Transaction } from './transaction.ts'
export type { TransactionalCollection, TransactionalDatabase } from './mongo/facade.ts'
export type { TransactionalAggregationCursor, TransactionalFindCursor } from './mongo/cursor.ts'
export type { SqlClient, SqlDriver, SqlHandles, SqlTransaction } from './core/sql.ts'
export * from './errors.ts'
export type { MappedError } from './error-mapping.ts'
export { mapError, getDriverError, isDatabaseError } from './error-mapping.ts'
export { noteDatabaseError } from './core/origin.ts'
export { noteErrorsOf } from './postgres/noted-client.ts'
export { confirmedWrites } from './mongo/writes.ts'
export { outsideTransaction, findCheckoutRefusal } from './core/outside-queries.ts'
export { isConnectionProblem, isReplicaError } from './postgres/errors.ts'
export { SavepointQueue } from './savepoints.ts'

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
    /** Transactions with `crossStore: 'two-phase'`; there where the plugin was given a pool and MongoDB. */
    twoPhase: TwoPhaseControl
  }
}

async function transactionPlugin (app: FastifyInstance, given: TransactionPluginOptions): Promise<void> {
  const options = checkOptions(given)
  const record = getServerRecord(app)
  const orphans = createOrphans(options, app.log)
  const each = createDrivers(options, orphans)
  const twoPhase = createTwoPhase(app, options, each)
  const drivers = { ...each, twoPhase: twoPhase?.driver }
  const callbacks = new AfterCommit(app.log, options.closeTimeout)
  const instance = createInstance(app, options, { drivers, callbacks, twoPhase })
  refuseEarlierRoutes(app, options, instance)
  record.isUsed = true

  const planned = new Map<RouteOptions, PinnedHook>()
  app.addHook('onRoute', function addTransaction (route) {
    refuseMisplacedDeclaration(route, options.name)
    const plan = planRoute(route, {
      instance: options.name,
      methods: instance.methods,
      isHeadOfPlanned: isHeadBeside(route, planned.keys()),
      defaults: instance.defaults,
      drivers
    })
    if (plan !== undefined) planned.set(route, addHooks(route, plan, instance))
    else if (getPlan(route.config)?.instance === instance) forgetPlan(route)
  })
  if (!record.isComplete) app.addHook('onRequest', createRefusal(instance))
  app.addHook('onReady', async function checkCommitHooks () {
    refuseUnreadHooks(planned)
  })
  app.addHook('onReady', async function refuseOldServer () {
    await refuseTransactionTimeout(drivers.sql, planned.keys(), instance.defaults)
  })
  endOrphansWhenReady(app, orphans)
  startWhenReady(app, twoPhase, () => options.twoPhase !== undefined || [...planned.keys()].some(isTwoPhase))
  listenToStores(app, options)
  app.addHook('onClose', async function drainAfterCommit () {
    await callbacks.drain()
  })
}

/** The plugin's options without what is undefined; throws a sentence where one of them is wrong. */
function checkOptions (given: TransactionPluginOptions): TransactionPluginOptions {
  const mistakes = pluginMistakes({ ...given })
  if (mistakes.length > 0) throw new TransactionUsageError(`transaction plugin: ${mistakes.join('; ')}`)
  return withoutUndefined({ ...given, defaults: withoutUndefined(given.defaults ?? {}) })
}

/** Whether a route commits both stores with one outcome. */
function isTwoPhase ({ config }: RouteOptions): boolean {
  return getPlan(config)?.plan.options.crossStore === 'two-phase'
}

/** Whether a route is HEAD beside one of these that answers GET: both run the same handler. */
function isHeadBeside ({ method, url, constraints }: RouteOptions, routes: Iterable<RouteOptions>): boolean {
  if (method !== 'HEAD') return false
  const host = JSON.stringify(constraints ?? {})
  return [...routes].some((route) =>
    route.url === url && [route.method].flat().includes('GET') && JSON.stringify(route.constraints ?? {}) === host
  )
}

export default fp(transactionPlugin, { name: 'fastify-transaction', fastify: '5.x' })
