import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { Db } from 'mongodb'
import { TransactionUsageError } from '../errors.ts'
import { findPlanner } from './server-record.ts'
import type { RouteTransactionOptions } from '../options/route-options.ts'
import type { CallOptions } from '../app-transaction.ts'
import type { TransactionalDatabase } from '../mongo/facade.ts'
import type { Handle, Handles } from '../handles.ts'
import type { Transaction } from '../transaction.ts'
import type { TransactionRun } from '../http/transactional-request.ts'
import type { TwoPhaseControl } from './two-phase.ts'

/** What a plugin instance registered with `name` adds to each request under that name. */
export interface NamedTransaction<Db = unknown> {
  /** This request's transaction. Throws a sentence on a route without one. */
  readonly transaction: Transaction
  /** The app's SQL handle: on this request's transaction, or autocommit on a route without one. */
  readonly db: Db
  /** MongoDB collections: on this request's transaction, or plain on a route without one. */
  readonly mongo: TransactionalDatabase
}

/** What the decorators need of the plugin. */
export interface DecoratorContext {
  name: string | undefined
  handles: Handles
  /** MongoDB on routes without a transaction. */
  mongo: Db | undefined
  defaults: RouteTransactionOptions
  /** The run that a request object belongs to; begins the first one where its route has a transaction. */
  getRun: (request: FastifyRequest) => TransactionRun | undefined
  runTransaction: <Result>(
    work: (transaction: Transaction) => Promise<Result>,
    options?: CallOptions
  ) => Promise<Result>
  /** Undefined where the plugin has not both stores. */
  twoPhase: TwoPhaseControl | undefined
}

/**
 * Adds the handles of requests and `app.transaction`, all under `name` where one is given. Names of unused stores stay
 * free.
 */
export function decorate (app: FastifyInstance, context: DecoratorContext): void {
  const { name, handles, runTransaction, twoPhase } = context
  if (name !== undefined) return decorateNamed(app, name, context)
  const getters: Array<[string, (request: FastifyRequest) => unknown]> = [[
    'transaction',
    (request) => getTransaction(request, context)
  ]]
  if (handles.db !== undefined) getters.push(['db', (request) => getDb(request, context)])
  if (handles.mongo !== undefined) getters.push(['mongo', (request) => getMongo(request, context)])
  for (const [key] of getters) if (app.hasRequestDecorator(key)) throw taken(`request.${key}`)
  if (app.hasDecorator('transaction')) throw taken('app.transaction')
  for (const [key, get] of getters) {
    app.decorateRequest(key, {
      getter () {
        return get(this)
      }
    })
  }
  app.decorate('transaction', runTransaction)
  if (twoPhase !== undefined && !app.hasDecorator('twoPhase')) app.decorate('twoPhase', twoPhase)
}

function decorateNamed (app: FastifyInstance, name: string, context: DecoratorContext): void {
  if (app.hasRequestDecorator(name)) throw taken(`request.${name}`)
  if (app.hasDecorator(name)) throw taken(`app.${name}`)
  app.decorateRequest(name, {
    getter () {
      return toNamed(this, context)
    }
  })
  app.decorate(name, { transaction: context.runTransaction, twoPhase: context.twoPhase })
}

function toNamed (request: FastifyRequest, context: DecoratorContext): NamedTransaction {
  return {
    get transaction () {
      return getTransaction(request, context)
    },
    get db () {
      return getDb(request, context)
    },
    get mongo () {
      return getMongo(request, context)
    }
  }
}

function getTransaction (request: FastifyRequest, { name, getRun }: DecoratorContext): Transaction {
  const run = getRun(request)
  if (run !== undefined) return run.transaction
  const { config, url = request.url } = request.routeOptions
  const route = `${request.method} ${url}`
  const declaration = `config: { transaction: ${name === undefined ? 'true' : `{ name: '${name}' }`} }`
  const owner = findPlanner(config)
  if (owner !== undefined) {
    throw new TransactionUsageError(
      `${route} has its transaction from ${owner}, and a route has only one: to have this one instead, declare ${declaration} on the route`
    )
  }
  throw new TransactionUsageError(
    config.transaction === undefined || config.transaction === false
      ? `${route} has no transaction: declare ${declaration} on the route`
      : `${route} declares config.transaction and has none: register the transaction plugin, and await that, before the route is declared`
  )
}

function getDb (request: FastifyRequest, context: DecoratorContext): Handle {
  const run = context.getRun(request)
  if (run !== undefined) return run.transaction.db
  // Row-level security must not end where a route has no transaction.
  if (context.defaults.settings !== undefined) {
    throw new TransactionUsageError(
      `${request.method} ${
        request.routeOptions.url ?? request.url
      } has no transaction, so the settings of the plugin's defaults do not hold there: declare a transaction, or use the app's own handle where no settings are meant`
    )
  }
  return required(context.handles.db?.autocommit, 'db') as Handle
}

function getMongo (request: FastifyRequest, context: DecoratorContext): TransactionalDatabase {
  return context.getRun(request)?.transaction.mongo ?? required(context.mongo, 'mongo')
}

function required<Value> (value: Value | undefined, option: string): Value {
  if (value === undefined) {
    throw new TransactionUsageError(`the transaction plugin was registered without the ${option} option`)
  }
  return value
}

function taken (decorator: string): TransactionUsageError {
  return new TransactionUsageError(
    `transaction plugin: ${decorator} is there already, from another plugin or from a registration of this one in the same scope or above it; give this registration a name of its own: app.register(transaction, { name: 'billing', … })`
  )
}
