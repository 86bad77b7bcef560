import type { FastifyReply, FastifyRequest } from 'fastify'
import { setTimeout as sleep } from 'node:timers/promises'
import { ClientGoneError, TransactionUsageError } from './errors.ts'
import { guardReply } from './guards.ts'
import { logStreamOutcome } from './log.ts'
import type { Observe } from './observe.ts'
import type { TransactionRoute } from './route.ts'
import { labelOf } from './route.ts'
import { mayRunAgain } from './run-again.ts'
import { Scope } from './scope.ts'
import type { Handles } from './transaction.ts'
import { Transaction } from './transaction.ts'
import { secondTransaction } from './watch.ts'

/** What every exchange of a plugin instance shares. */
export interface ExchangeContext {
  handles: Handles
  retryAfter: number
  /** Put before route and request id in `application_name`. */
  prefix: string
  afterCommit: (callbacks: Array<() => unknown>) => void
  observe: Observe | undefined
}

/** Ways to end the wait for a first byte. */
export interface FirstByteWait {
  /** Goes on as if it had come. */
  proceed: () => void
  /** Answers with an error instead. */
  fail: (error: Error) => void
  /** Drops the payload; somebody else answers, or nobody is there. */
  stop: () => void
}

/** One request and its reply, with the transaction that stands between them. A retry gives it a new scope. */
export class Exchange {
  readonly route: TransactionRoute
  readonly request: FastifyRequest
  readonly reply: FastifyReply
  scope: Scope
  transaction: Transaction
  /** What the gate is doing with the reply right now. */
  pass: 'commit' | 'rollback' | undefined
  /** A reply is on its way through Fastify's hooks. */
  isAnswering = false
  /** The payload that was handed to Fastify for writing. */
  answer: { payload: unknown } | undefined
  /** The gate waits for the first byte of a streamed payload; this ends the wait. */
  wait: FirstByteWait | undefined
  /** The request's log already tells how its transaction ended. */
  isLogged = false
  readonly #context: ExchangeContext
  readonly #startedAt = performance.now()
  /** Runs the handler again and sends what it returns. */
  readonly rerun: () => void
  /** The reply as it was when the handler began; undefined before, and when hooks had already sent statements that no retry would send again. */
  #before: { status: number, headers: Record<string, unknown> } | undefined
  #unguard: (() => void) | undefined

  constructor (route: TransactionRoute, request: FastifyRequest, reply: FastifyReply, context: ExchangeContext, rerun: (exchange: Exchange) => void) {
    this.rerun = () => { rerun(this) }
    this.route = route
    this.request = request
    this.reply = reply
    this.#context = context
    this.scope = this.#newScope(1)
    this.transaction = new Transaction(this.scope, context.handles, route.options)
  }

  /** Remembers the reply as it is before the handler runs, so that a retry starts from there. */
  rememberReply (): void {
    if (this.scope.state === 'idle') this.#before = { status: this.reply.statusCode, headers: headersOf(this.reply) }
  }

  /** True when running the handler again may help and nothing has been sent. */
  mayRetry (error: unknown): boolean {
    const { retries = 0 } = this.route.options
    const { raw } = this.reply
    return this.#before !== undefined && mayRunAgain(this.scope, error) && this.scope.attempt <= retries && !this.isAnswering && !this.reply.sent && !raw.headersSent && !raw.destroyed
  }

  /** Ends the attempt, waits a little, and starts the next one with the reply as it was. */
  async restart (): Promise<void> {
    await this.scope.settle('rollback').catch(() => {})
    await sleep(Math.random() * 10 * 2 ** Math.min(this.scope.attempt, 6))
    const before = this.#before ?? { status: 200, headers: {} }
    restoreReply(this.reply, before.status, before.headers)
    this.scope = this.#newScope(this.scope.attempt + 1)
    this.transaction = new Transaction(this.scope, this.#context.handles, this.route.options)
  }

  /** Takes the guards off the reply. */
  release (): void {
    this.#unguard?.()
    this.#unguard = undefined
  }

  #newScope (attempt: number): Scope {
    const { options, driver, plan } = this.route
    const { deadline = 0, settings } = options
    return new Scope(driver, {
      plan,
      attempt,
      label: labelOf(this.#context.prefix, this.route, this.request),
      deadline,
      spent: performance.now() - this.#startedAt,
      retryAfter: this.#context.retryAfter,
      settings: () => settings?.(this.request),
      mayOpen: () => this.#refusal(),
      onOpen: () => { this.#onOpen() },
      onExpire: (error) => { this.#answerTimeout(error) },
      afterCommit: this.#context.afterCommit,
      observe: this.#context.observe
    })
  }

  #onOpen (): void {
    if (this.#unguard !== undefined) return
    this.#unguard = guardReply(this)
    this.reply.raw.once('close', () => { this.#onClose() })
  }

  #onClose (): void {
    const { scope, reply, route, wait } = this
    if (route.options.clientAbort === 'continue') return wait?.proceed()
    wait?.stop()
    if (scope.state === 'committed' || scope.state === 'rolled back') return
    // A streamed reply that was read to its end is the one case where the transaction outlives the gate.
    const isHeld = this.answer !== undefined && scope.settled === undefined && scope.isOpen
    const settlement = isHeld && reply.raw.writableFinished && !scope.isBusy ? scope.settle('commit') : scope.abandon(new ClientGoneError(this.scope.label))
    settlement.then(() => { if (isHeld) logStreamOutcome(this) }, (error: unknown) => { if (isHeld) logStreamOutcome(this, error) })
  }

  /** Why no transaction may begin any more. */
  #refusal (): Error | undefined {
    const { raw } = this.reply
    if (raw.headersSent) return new TransactionUsageError(`the reply of ${this.scope.label} has begun; a transaction could no longer decide about it`)
    if (raw.destroyed && this.route.options.clientAbort !== 'continue') return new ClientGoneError(this.scope.label)
    return secondTransaction(this.scope)
  }

  /** The handler gets a moment to answer the timeout itself; one that hangs is answered for. */
  #answerTimeout (error: Error): void {
    setImmediate(() => {
      if (this.wait !== undefined) return this.wait.fail(error)
      if (!this.isAnswering && !this.reply.sent && !this.reply.raw.headersSent && !this.reply.raw.destroyed) this.reply.send(error)
    })
  }
}

/** A copy of a reply's headers. Fastify adds cookies to the array that is there. */
export function headersOf (reply: FastifyReply): Record<string, unknown> {
  const headers = reply.getHeaders()
  const cookies = headers['set-cookie']
  return Array.isArray(cookies) ? { ...headers, 'set-cookie': [...cookies] } : headers
}

/** Puts status and headers of a reply back to what they were; nearly always they still are. */
export function restoreReply (reply: FastifyReply, status: number, headers: Record<string, unknown>): void {
  if (reply.statusCode === status && areSame(reply.getHeaders(), headers)) return
  for (const name of Object.keys(reply.getHeaders())) reply.removeHeader(name)
  reply.code(status).headers(headers as Parameters<FastifyReply['headers']>[0])
}

function areSame (some: Record<string, unknown>, others: Record<string, unknown>): boolean {
  const names = Object.keys(some)
  return names.length === Object.keys(others).length && names.every((name) => some[name] === others[name])
}
