import type { FastifyInstance, FastifyReply, FastifyRequest, RouteOptions } from 'fastify'
import type { AfterCommit } from './after-commit.ts'
import { decorate } from './decorators.ts'
import type { TwoPhase } from './two-phase.ts'
import { TransactionUsageError } from '../errors.ts'
import { clearPlanner, findReply } from './server-record.ts'
import { confirmedWrites } from '../mongo/writes.ts'
import { guardObserver } from '../core/observe.ts'
import type { RouteTransactionOptions } from '../options/route-options.ts'
import type { PinnedHook } from '../http/pin-hook.ts'
import type { TransactionPluginOptions } from '../options/plugin-options.ts'
import type { RequestContext } from '../http/request-context.ts'
import { addTransactionHooks, runHandler, type RouteHooksContext } from '../http/route-hooks.ts'
import type { Drivers, TransactionRoute } from '../http/route.ts'
import { runTransaction, type CallContext } from '../app-transaction.ts'
import { TransactionalRequest, type TransactionRun } from '../http/transactional-request.ts'
import { watched } from '../core/outside-queries.ts'

/** One registration of the plugin. */
export interface Instance {
  /** How messages call this registration. */
  label: string
  defaults: RouteTransactionOptions
  methods: string[]
  context: RequestContext<TransactionRun> & CallContext
  findRun: (request: FastifyRequest) => TransactionRun | undefined
  watch: RouteHooksContext['watch']
}

/** What all routes and calls of this registration share, and the handles that requests get. */
export function createInstance (
  app: FastifyInstance,
  options: TransactionPluginOptions,
  { drivers, callbacks, twoPhase }: { drivers: Drivers; callbacks: AfterCommit; twoPhase: TwoPhase | undefined }
): Instance {
  const { name, methods = [], defaults = {} } = options
  const runKey = Symbol('transaction.run')
  type WithRun = FastifyRequest & { [runKey]: TransactionRun | null }
  const context: Instance['context'] = {
    ...createContext(app, options, twoPhase),
    call: name === undefined ? 'app.transaction' : `app.${name}.transaction`,
    drivers,
    afterCommit: callbacks.run,
    setRun: (request, run) => {
      ;(request as WithRun)[runKey] = run
    },
    runHandler: async (run, route) => {
      if (route.handler !== undefined) await runHandler(run, route.handler(), instance)
    }
  }
  const instance: Instance = {
    label: name === undefined ? 'the transaction plugin' : `the transaction plugin named '${name}'`,
    defaults,
    methods,
    context,
    findRun: (request) => (request as WithRun)[runKey] ?? undefined,
    watch: context.isWatching ? (run, work) => watched(run.tx, work) : undefined
  }
  app.decorateRequest(runKey, null)
  decorate(app, {
    name,
    handles: context.handles,
    mongo: options.mongo && confirmedWrites(options.mongo.client, options.mongo.db),
    defaults,
    getRun: (request) => getRun(request, instance),
    runTransaction: (work, own = {}) => runTransaction(work, own, context),
    twoPhase: twoPhase?.control
  })
  return instance
}

/** What the plugin's options say to requests and calls, defaults filled in. */
function createContext (app: FastifyInstance, options: TransactionPluginOptions, twoPhase: TwoPhase | undefined) {
  const { defaults = {}, retryAfter = 1, applicationName = '', bodyTimeout = 1000 } = options
  return {
    defaults,
    handles: { db: options.db, mongo: options.mongo?.db },
    prefix: applicationName === '' ? '' : `${applicationName} `,
    retryAfter,
    bodyTimeout,
    isWatching: options.detectOutsideQueries ?? process.env['NODE_ENV'] !== 'production',
    isRecovering: () => twoPhase?.isStarted === true,
    observe: options.observe && guardObserver(options.observe, app.log),
    log: app.log
  }
}

// On the route's config, which each request can reach from its first hook on.
const planKey = Symbol('transaction.plan')

interface WithPlan {
  [planKey]?: { plan: TransactionRoute; instance: Instance } | undefined
}

/** What the onRoute hook has planned for a route, by its config. */
export function getPlan (config: object | undefined): WithPlan[typeof planKey] {
  return (config as WithPlan | undefined)?.[planKey]
}

/** A copy of a planned route that has no transaction itself still has its config. */
export function forgetPlan (route: RouteOptions): void {
  clearPlanner(route)
  route.config = Object.assign({}, route.config, { [planKey]: undefined })
}

/** Gives a route the transaction that was planned for it. */
export function addHooks (route: RouteOptions, plan: TransactionRoute, instance: Instance): PinnedHook {
  route.config = Object.assign({}, route.config, { [planKey]: { plan, instance } })
  return addTransactionHooks(route, plan, {
    instance: instance.label,
    findRun: instance.findRun,
    begin: (planned, request, reply) => instance.findRun(request) ?? begin(planned, request, reply, instance),
    watch: instance.watch
  })
}

/** The run of a request whose route has a transaction of this instance, from the first hook on. */
function getRun (request: FastifyRequest, instance: Instance): TransactionRun | undefined {
  const run = instance.findRun(request)
  if (run !== undefined) {
    run.owner.noteHandle()
    return run
  }
  const planned = getPlan(request.routeOptions.config)
  if (planned === undefined || planned.instance !== instance) return undefined
  const reply = findReply(request)
  if (reply === undefined) {
    throw new TransactionUsageError(
      `${planned.plan.name}: a hook asked for the transaction before the plugin could see the request: import the transaction plugin before Fastify is created, or register it before the hook is added`
    )
  }
  const first = begin(planned.plan, request, reply, instance)
  first.owner.noteHandle()
  return first
}

function begin (
  plan: TransactionRoute,
  request: FastifyRequest,
  reply: FastifyReply,
  { context }: Instance
): TransactionRun {
  return new TransactionalRequest(plan, request, reply, context).run
}
