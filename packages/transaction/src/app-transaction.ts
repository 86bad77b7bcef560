import { setTimeout as sleep } from 'node:timers/promises'
import type { FastifyBaseLogger } from 'fastify'
import { TransactionUsageError } from './errors.ts'
import { sqlOnlyOptions } from './mongo/driver.ts'
import type { Observe } from './core/observe.ts'
import { describeKind, withoutUndefined } from './options/checks.ts'
import type { TransactionOptions } from './options/route-options.ts'
import { optionMistakes } from './options/route-options.ts'
import { findDriver, type Drivers } from './http/route.ts'
import { canRunAgain } from './core/retry.ts'
import { LazyTransaction } from './core/lazy-transaction.ts'
import { WatchedPromise } from './core/given-promises.ts'
import type { Handles } from './handles.ts'
import { Transaction } from './transaction.ts'
import { refuseNested, watched } from './core/outside-queries.ts'

/** Options of `app.transaction`. */
export interface CallOptions extends TransactionOptions {
  /** How logs, errors and `application_name` call this transaction. Default `app.transaction`. */
  name?: string
  /** Values for `SET LOCAL` in the message that begins the transaction. SQL only. */
  settings?: Record<string, string>
  /** `two-phase`: both stores change, with one outcome. Needs the plugin option `twoPhase`, or a route that declares it. */
  crossStore?: 'two-phase'
}

/** What every call shares. */
export interface CallContext {
  /**
   * How messages call the decorator: `app.transaction`, or `app.billing.transaction` of a registration with that name.
   */
  call: string
  drivers: Drivers
  defaults: TransactionOptions
  handles: Handles
  prefix: string
  /**
   * Whether outside queries are detected. Following what runs where costs every promise of the process, also of
   * requests.
   */
  isWatching: boolean
  retryAfter: number
  /** Whether this registration ends what a process has left prepared. */
  isRecovering: () => boolean
  afterCommit: (callbacks: Array<() => unknown>) => void
  observe: Observe | undefined
  /** Gets a line for each call that failed and that nobody awaited. Default none. */
  log?: FastifyBaseLogger | undefined
}

/**
 * Runs `work` in one transaction outside any request: commits when it resolves, rolls back when it throws.
 * With `retries` it runs again after serialization failures, deadlocks and transient transaction errors.
 */
export function runTransaction<Result> (
  work: (transaction: Transaction) => Promise<Result>,
  own: CallOptions,
  context: CallContext
): Promise<Result> {
  const running = run(work, own, context)
  const promise = WatchedPromise.of(running)
  running.catch((error: unknown) => {
    // Whoever awaits it hears of it; one that nobody awaits must neither end the process nor fail in silence.
    setImmediate(() => {
      if (!promise.isAwaited) context.log?.error({ err: error }, `${context.call}() failed and nobody awaited it`)
    })
  })
  return promise
}

async function run<Result> (
  work: (transaction: Transaction) => Promise<Result>,
  own: CallOptions,
  context: CallContext
): Promise<Result> {
  const { name = context.call, settings, ...rest } = checkCall(work, own, context.call)
  const { driver, options, plan } = planCall(rest, context)
  if (settings !== undefined && driver.store === 'mongo') {
    throw new TransactionUsageError(`${name}: settings is an option of the sql store`)
  }
  if (settings === undefined && driver.store === 'sql' && 'settings' in options && options.settings !== undefined) {
    throw new TransactionUsageError(
      `${name}: the settings of the plugin's defaults are a function of a request, and there is none here; give settings of its own, {} for none`
    )
  }
  refuseNested(driver, name)
  const startedAt = performance.now()
  for (let attempt = 1;; attempt++) {
    const { deadline = 0, retries = 0 } = options
    const expiry = rejection()
    const tx = new LazyTransaction(driver, {
      onExpire: expiry.reject,
      plan,
      attempt,
      ...(settings === undefined ? {} : { settings: () => settings }),
      label: context.prefix + name,
      deadline,
      spent: performance.now() - startedAt,
      retryAfter: context.retryAfter,
      afterCommit: context.afterCommit,
      observe: context.observe
    })
    try {
      return await runOnce(tx, work, context, expiry.promise)
    } catch (error) {
      if (attempt > retries || !canRunAgain(tx, error)) throw error
    }
    await sleep(Math.random() * 10 * 2 ** Math.min(attempt, 6))
  }
}

async function runOnce<Result> (
  tx: LazyTransaction,
  work: (transaction: Transaction) => Promise<Result>,
  { handles, isWatching }: CallContext,
  expiry: Promise<never>
): Promise<Result> {
  const transaction = new Transaction(tx, handles)
  let result: Result
  try {
    // Work that waits for something else must not keep its caller past the deadline.
    result = await Promise.race([isWatching ? watched(tx, () => work(transaction)) : work(transaction), expiry])
  } catch (error) {
    await tx.settle('rollback').catch(() => {})
    throw error
  }
  if (tx.abortReason !== undefined) throw tx.abortReason
  await tx.settle('commit')
  return result
}

function rejection (): { promise: Promise<never>; reject: (error: Error) => void } {
  let reject: (error: Error) => void = () => {}
  const promise = new Promise<never>((_resolve, rejectPromise) => {
    reject = rejectPromise
  })
  promise.catch(() => {})
  return { promise, reject }
}

/** The options of a call without what is undefined; throws a sentence where function or options are something else. */
function checkCall (work: unknown, own: CallOptions, call: string): CallOptions {
  const mistake = findCallMistake(work, own)
  if (mistake !== undefined) throw new TransactionUsageError(`${call}: ${mistake}`)
  return withoutUndefined(own)
}

/** What is wrong with the arguments of a call: the function and its options. */
function findCallMistake (work: unknown, own: unknown): string | undefined {
  if (typeof work !== 'function') {
    return `needs a function of the transaction first, not ${describeKind(work)}: async (transaction) => { … }`
  }
  if (typeof own !== 'object' || own === null || Array.isArray(own)) {
    return typeof own === 'function'
      ? 'takes no callback; await the promise it returns'
      : `its options must be an object such as { retries: 3 }, not ${describeKind(own)}`
  }
  const { name } = own as { name?: unknown }
  return name === undefined || typeof name === 'string' ? undefined : `name must be a text, not ${describeKind(name)}`
}

function planCall (own: Omit<CallOptions, 'name' | 'settings'>, context: CallContext) {
  const store = own.store ?? (own.crossStore === undefined ? context.defaults.store : undefined) ?? 'sql'
  const options = { ...context.defaults, ...own, store }
  const mistakes = optionMistakes(own, 'call')
  if (store === 'mongo') {
    mistakes.push(...sqlOnlyOptions(own).map((option) => `${option} is an option of the sql store`))
  }
  if (mistakes.length > 0) throw new TransactionUsageError(`${context.call}: ${mistakes.join('; ')}`)
  const driver = findDriver({ store, crossStore: own.crossStore }, context.drivers)
  if (typeof driver === 'string') throw new TransactionUsageError(`${context.call}: ${driver}`)
  if (driver === context.drivers.twoPhase && !context.isRecovering()) {
    throw new TransactionUsageError(
      `${context.call}: crossStore: 'two-phase' needs the plugin option twoPhase, {} for its defaults, so that what a killed process leaves is ended`
    )
  }
  return { driver, options, plan: driver.plan(options) }
}
