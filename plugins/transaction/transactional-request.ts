import type { FastifyReply, FastifyRequest } from 'fastify'
import { setTimeout as sleep } from 'node:timers/promises'
import { isBodyIncomplete, isClientGone, onClose } from './client-gone.ts'
import { findNextErrorHandler } from './error-handlers.ts'
import { BodyTimeoutError, ClientGoneError, TransactionUsageError } from './errors.ts'
import {
  copyStatusAndHeaders,
  makeNext,
  restore,
  showOutcome,
  supersede,
  takeSnapshot,
  type HandlerRun,
  type Snapshot
} from './handler-run.ts'
import { findHookOnStack, logRetriesOff, logStreamOutcome } from './log.ts'
import type { FirstByteWait, RequestContext } from './request-context.ts'
import { guardReply, watchSend } from './reply-guards.ts'
import { restoreReply } from './reply-headers.ts'
import type { TransactionRoute } from './route.ts'
import { getLabel } from './route.ts'
import { mayRunAgain } from './run-again.ts'
import { Scope } from './scope.ts'
import { StreamIdleTimer } from './stream-idle.ts'
import { Transaction } from './transaction.ts'
import { secondTransaction } from './watch.ts'
import { afterTime, type Wait } from './within.ts'

/** A run, and the request it belongs to. */
export type TransactionRun = HandlerRun<TransactionalRequest>

/** One request and its reply, with the transactions of the runs of its handler. */
export class TransactionalRequest {
  readonly route: TransactionRoute
  /** The run that may still decide about the reply. */
  run: TransactionRun
  /** What the commit hook is doing with the reply right now. */
  settling: 'commit' | 'rollback' | undefined
  /** A reply is on its way through Fastify's hooks. */
  isAnswering = false
  /** The program did what it may not do; what it writes to `reply.raw` from then on is dropped. */
  isRefused = false
  /** The error of a refusal is being handed to Fastify: what error handlers write by hand meanwhile is refused as well. */
  isRefusing = false
  /** Fastify is writing the reply. */
  isWriting = false
  /** One run has lost and the next has not begun: only code of earlier runs can be running. */
  isPausing = false
  /** The payload that was handed to Fastify for writing. */
  answer: { payload: unknown } | undefined
  /** The commit hook waits for the first byte of a streamed payload; this ends the wait. */
  wait: FirstByteWait | undefined
  /** The request's log already tells how its transaction ended. */
  isLogged = false
  readonly #context: RequestContext<TransactionRun>
  readonly #startedAt = performance.now()
  readonly #first: TransactionRun
  /** Hooks before the handler are running. */
  #isBeforeHandler = true
  /** A hook has asked for a handle, which its own code may keep. */
  #hookWithHandle: string | undefined
  #snapshot: Snapshot | undefined
  /** Status and headers when the handler began, or when a hook first asked for the transaction. */
  #before: Pick<Snapshot, 'status' | 'headers'> | undefined
  /** Which error handler was next when something other than an error was sent last. */
  #lastSender: unknown
  #bodyTimer: Wait | undefined
  #unguard: (() => void) | undefined
  #unwatch: (() => void) | undefined

  constructor (
    route: TransactionRoute,
    request: FastifyRequest,
    reply: FastifyReply,
    context: RequestContext<TransactionRun>
  ) {
    this.route = route
    this.#context = context
    this.run = this.#first = this.#makeRun(request, reply, 1)
    onClose(request, reply, () => {
      this.#onClose()
    })
  }

  get scope (): Scope {
    return this.run.scope
  }

  /** Whether a success may not be written past Fastify: it would claim what is not committed, or come from a run that lost. */
  get isGuarded (): boolean {
    return this.scope.isOpen || (this.scope.state === 'idle' && this.scope.attempt > 1)
  }

  /** Something was sent that will answer the request: not where an error handler runs, or has ended, and has sent nothing. */
  get isOnItsWay (): boolean {
    if (!this.isAnswering) return false
    const next = findNextErrorHandler(this.reply)
    return next === undefined || next === false || next === this.#lastSender
  }

  get reply (): FastifyReply {
    return this.run.reply
  }

  get transaction (): Transaction {
    return this.run.transaction
  }

  /** The hooks before the handler are over: what it sets can be taken back, and it can run again from here. */
  enterHandler (): void {
    const { request, reply, scope } = this.run
    this.#isBeforeHandler = false
    this.#bodyTimer?.stop()
    this.#before = copyStatusAndHeaders(reply)
    const { retries = 0 } = this.route.options
    if (retries === 0) return
    if (scope.state !== 'idle' || this.#hookWithHandle !== undefined) {
      return logRetriesOff(this.route, { hook: this.#hookWithHandle ?? '' }, reply.log)
    }
    const snapshot = takeSnapshot(request, reply, this.#before)
    if (typeof snapshot === 'string') return logRetriesOff(this.route, { reason: snapshot }, reply.log)
    this.#snapshot = snapshot
    this.#unwatch = watchSend(this)
  }

  /** Notes that a hook has asked for a handle: it may keep one that a later run must not share with an earlier one. */
  noteHandle (): void {
    if (!this.#isBeforeHandler || (this.route.options.retries ?? 0) === 0) return
    this.#hookWithHandle ??= this.route.isRetryLogged === true ? '' : findHookOnStack()
  }

  /** True when running the handler again may help and nothing has been sent. */
  mayRetry (error: unknown): boolean {
    const { request, reply, scope } = this.run
    const { retries = 0 } = this.route.options
    return this.#snapshot !== undefined && mayRunAgain(scope, error) && scope.attempt <= retries && !this.isAnswering &&
      !reply.sent && !reply.raw.headersSent && !isClientGone(request, reply)
  }

  /** Cuts the current run off at once, and begins the next one when its transaction is rolled back and a little time has passed. */
  runAgain (): void {
    const { run } = this
    if (this.#snapshot === undefined) return
    this.release({ always: true })
    const { raw } = run.reply
    supersede(run, (error) => {
      this.#answerHandlerTimeout(error)
    })
    if (run === this.#first) {
      raw.prependOnceListener('finish', () => {
        showOutcome(this.#first, this.run)
      })
    }
    Object.assign(this, {
      isAnswering: false,
      isRefusing: false,
      settling: undefined,
      answer: undefined,
      wait: undefined,
      isPausing: true
    })
    this.#lastSender = undefined
    const { request, reply } = makeNext(run, this.#snapshot)
    this.run = this.#makeRun(request, reply, run.scope.attempt + 1)
    this.#unwatch = watchSend(this)
    // Code of earlier runs may have kept the raw response.
    this.#unguard = guardReply(this)
    this.#startNext(run, this.#snapshot).catch((error: unknown) => {
      this.reply.log.error({ err: error }, 'the handler could not be run again')
    })
  }

  /** Puts status and headers back to what they were before the handler, for an error that takes the place of its reply. */
  takeBack (): void {
    if (this.#before !== undefined) restoreReply(this.reply, this.#before.status, this.#before.headers)
  }

  /** Answers a mistake of the program with an error; never throws, since nothing could catch it in a callback. */
  refuse (error: Error): void {
    this.isRefused = true
    this.scope.refuse(error)
    if (this.reply.sent || this.isOnItsWay) return
    this.takeBack()
    const { isRefusing } = this
    this.isRefusing = true
    this.reply.send(error)
    this.isRefusing = isRefusing
  }

  /** Takes note that something other than an error is sent: an error handler that sends has answered. */
  noteSend (): void {
    this.#lastSender = findNextErrorHandler(this.reply, this.isAnswering)
  }

  /** Takes the guards off the reply; not where the program was refused, whose writes must not reach the client, unless `always`. */
  release ({ always = false } = {}): void {
    if (this.isRefused && !always) return
    this.#unguard?.()
    this.#unwatch?.()
    this.#unguard = this.#unwatch = undefined
  }

  async #startNext (last: TransactionRun, snapshot: Snapshot): Promise<void> {
    await last.scope.settle('rollback').catch(() => {})
    await sleep(Math.random() * 10 * 2 ** Math.min(last.scope.attempt, 6))
    this.isPausing = false
    const { request, reply, scope } = this.run
    // A deadline or Fastify's handlerTimeout has answered, or the client has left.
    if (this.isAnswering || reply.sent || scope.settled !== undefined) return
    restore({ request, reply }, snapshot)
    await this.#context.runHandler(this.run, this.route)
  }

  #makeRun (request: FastifyRequest, reply: FastifyReply, attempt: number): TransactionRun {
    const scope = this.#makeScope(request, reply, attempt)
    const transaction = new Transaction(scope, this.#context.handles, {
      ...this.route.options,
      isSingleStatement: this.route.isSingleStatement
    })
    const run: TransactionRun = { owner: this, request, reply, scope, transaction, isSuperseded: false }
    this.#context.setRun(request, run)
    return run
  }

  #makeScope (request: FastifyRequest, reply: FastifyReply, attempt: number): Scope {
    const { options, driver, plan } = this.route
    const { deadline = 0, settings } = options
    const { prefix, retryAfter, afterCommit, observe } = this.#context
    return new Scope(driver, {
      plan,
      attempt,
      label: getLabel(prefix, this.route, request),
      deadline,
      spent: performance.now() - this.#startedAt,
      retryAfter,
      ...(settings === undefined ? {} : { settings: () => settings(request) }),
      mayOpen: () => this.#refusal(request, reply),
      onOpen: () => {
        this.#onOpen()
      },
      onExpire: (error) => {
        this.#answerTimeout(error)
      },
      afterCommit,
      observe
    })
  }

  #onOpen (): void {
    const { request } = this.run
    this.#unwatch ??= watchSend(this)
    this.#unguard ??= guardReply(this)
    const { stream, streamIdleTimeout = 0 } = this.route.options
    if (stream === true && streamIdleTimeout > 0) {
      void new StreamIdleTimer(this, streamIdleTimeout, (error) => {
        this.#onStreamIdle(error)
      })
    }
    const { bodyTimeout } = this.#context
    if (!this.#isBeforeHandler) return
    this.#before ??= copyStatusAndHeaders(this.reply)
    this.noteHandle()
    if (bodyTimeout > 0 && isBodyIncomplete(request.raw)) {
      this.#bodyTimer = afterTime(bodyTimeout, () => {
        this.#onBodyTimeout()
      }, { unref: true })
    }
  }

  /** A client that sends its body slowly must not hold a connection that a hook has opened. */
  #onBodyTimeout (): void {
    const { request, scope } = this.run
    if (!this.#isBeforeHandler || !isBodyIncomplete(request.raw)) return
    const error = new BodyTimeoutError(scope.label, this.#context.bodyTimeout)
    scope.abandon(error).then(() => {
      this.#answerTimeout(error)
    }, () => {})
  }

  #onStreamIdle (error: Error): void {
    const { raw } = this.reply
    if (raw.headersSent) raw.destroy(error)
    else this.#answerTimeout(error)
  }

  #onClose (): void {
    const { scope, reply } = this.run
    this.#bodyTimer?.stop()
    if (this.route.options.clientAbort === 'continue' && !this.#isHijacked()) return this.wait?.proceed()
    this.wait?.stop()
    if (scope.state === 'committed' || scope.state === 'rolled back') return
    // A streamed reply that was read to its end is the one case where the transaction outlives the commit hook.
    const isHeld = this.answer !== undefined && scope.settled === undefined && scope.isOpen
    const settlement = isHeld && reply.raw.writableFinished && !scope.isBusy
      ? scope.settle('commit')
      : scope.abandon(new ClientGoneError(scope.label))
    settlement.then(() => {
      if (isHeld) logStreamOutcome(this)
    }, (error: unknown) => {
      if (isHeld) logStreamOutcome(this, error)
    })
  }

  /** The reply was hijacked before the first statement: it decides about nothing, and nothing may begin any more. */
  #isHijacked (): boolean {
    const { reply, scope } = this.run
    return reply.sent && scope.state === 'idle' && this.answer === undefined
  }

  /** Why no transaction may begin any more. */
  #refusal (request: FastifyRequest, reply: FastifyReply): Error | undefined {
    const { label } = this.scope
    if (reply.raw.headersSent) {
      return new TransactionUsageError(`the reply of ${label} has begun; a transaction could no longer decide about it`)
    }
    if (reply.sent) {
      return new TransactionUsageError(
        `the reply of ${label} was hijacked; a transaction could no longer decide about it. Send the first statement before reply.hijack() and end the transaction with commit(), or use app.transaction`
      )
    }
    if (this.route.options.clientAbort !== 'continue' && isClientGone(request, reply)) return new ClientGoneError(label)
    return secondTransaction(this.scope)
  }

  /** The handler gets a moment to answer the timeout itself; one that hangs is answered for. */
  #answerTimeout (error: Error): void {
    setImmediate(() => {
      if (this.wait !== undefined) return this.wait.fail(error)
      const { request, reply } = this.run
      if (this.isAnswering || reply.sent || reply.raw.headersSent || isClientGone(request, reply)) return
      this.takeBack()
      reply.send(error)
    })
  }

  #answerHandlerTimeout (error: Error): void {
    const { reply } = this.run
    if (reply.raw.headersSent) reply.raw.destroy(error)
    else reply.send(error)
  }
}
