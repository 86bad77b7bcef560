import type { FastifyReply, FastifyRequest } from 'fastify'
import { setTimeout as sleep } from 'node:timers/promises'
import { findBeginRefusal, settleOnClose } from './client-close.ts'
import { isClientGone, onClose } from './client-gone.ts'
import { ErrorHandlerRecord } from './error-handlers.ts'
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
import { findHookOnStack, logRetriesOff } from './log.ts'
import type { FirstByteWait, RequestContext } from './request-context.ts'
import { ReplyGuards } from './reply-guards.ts'
import { restoreReply } from '../payload/reply-headers.ts'
import type { TransactionRoute } from './route.ts'
import { getLabel } from './route.ts'
import { canRunAgain } from '../core/retry.ts'
import { LazyTransaction } from '../core/lazy-transaction.ts'
import type { Wait } from '../core/with-timeout.ts'
import { StreamIdleTimer } from './stream-idle.ts'
import { Transaction } from '../transaction.ts'
import { answerHandlerTimeout, answerStreamIdle, answerTimeout, boundBody } from './timeout-replies.ts'

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
  errorHandlers = new ErrorHandlerRecord()
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
  #bodyTimer: Wait | undefined
  readonly #guards = new ReplyGuards(this)

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
      this.#bodyTimer?.stop()
      settleOnClose(this)
    })
  }

  get tx (): LazyTransaction {
    return this.run.tx
  }

  /** Whether a success may not be written past Fastify: it would claim what is not committed, or come from a run that lost. */
  get isGuarded (): boolean {
    return this.tx.isOpen || (this.tx.state === 'idle' && this.tx.attempt > 1)
  }

  get reply (): FastifyReply {
    return this.run.reply
  }

  get transaction (): Transaction {
    return this.run.transaction
  }

  /** The hooks before the handler are over: what it sets can be taken back, and it can run again from here. */
  enterHandler (): void {
    const { request, reply, tx } = this.run
    this.#isBeforeHandler = false
    this.#bodyTimer?.stop()
    this.#before = copyStatusAndHeaders(reply)
    const { retries = 0 } = this.route.options
    if (retries === 0) return
    if (tx.state !== 'idle' || this.#hookWithHandle !== undefined) {
      return logRetriesOff(this.route, { hook: this.#hookWithHandle ?? '' }, reply.log)
    }
    const snapshot = takeSnapshot(request, reply, this.#before)
    if (typeof snapshot === 'string') return logRetriesOff(this.route, { reason: snapshot }, reply.log)
    this.#snapshot = snapshot
    this.#guards.putOnSend()
  }

  /** Notes that a hook has asked for a handle: it may keep one that a later run must not share with an earlier one. */
  noteHandle (): void {
    if (!this.#isBeforeHandler || (this.route.options.retries ?? 0) === 0) return
    this.#hookWithHandle ??= this.route.isRetryLogged === true ? '' : findHookOnStack()
  }

  /** True when running the handler again may help and nothing has been sent. */
  canRetry (error: unknown): boolean {
    const { request, reply, tx } = this.run
    const { retries = 0 } = this.route.options
    return this.#snapshot !== undefined && canRunAgain(tx, error) && tx.attempt <= retries && !this.isAnswering &&
      !reply.sent && !reply.raw.headersSent && !isClientGone(request, reply)
  }

  /** Cuts the current run off at once, and begins the next one when its transaction is rolled back and a little time has passed. */
  runAgain (): void {
    const { run } = this
    if (this.#snapshot === undefined) return
    this.release({ always: true })
    const { raw } = run.reply
    supersede(run, (error) => {
      answerHandlerTimeout(this.run.reply, error)
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
    this.errorHandlers = new ErrorHandlerRecord()
    const { request, reply } = makeNext(run, this.#snapshot)
    this.run = this.#makeRun(request, reply, run.tx.attempt + 1)
    // Code of earlier runs may have kept the raw response.
    this.#guards.put()
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
    this.tx.refuse(error)
    if (this.reply.sent || this.errorHandlers.isAnswered(this)) return
    this.takeBack()
    const { isRefusing } = this
    this.isRefusing = true
    this.reply.send(error)
    this.isRefusing = isRefusing
  }

  /**
   * Takes the guards off the reply. Unless `always` they stay where the program was refused, and where the deadline or a
   * lost client ended the transaction: handler and error handler may both answer that, one after the other's reply.
   */
  release ({ always = false } = {}): void {
    if ((this.isRefused || this.tx.abortReason !== undefined) && !always) return
    this.#guards.takeOff()
  }

  async #startNext (last: TransactionRun, snapshot: Snapshot): Promise<void> {
    await last.tx.settle('rollback').catch(() => {})
    await sleep(Math.random() * 10 * 2 ** Math.min(last.tx.attempt, 6))
    this.isPausing = false
    const { request, reply, tx } = this.run
    // A deadline or Fastify's handlerTimeout has answered, or the client has left.
    if (this.isAnswering || reply.sent || tx.settled !== undefined) return
    restore({ request, reply }, snapshot)
    await this.#context.runHandler(this.run, this.route)
  }

  #makeRun (request: FastifyRequest, reply: FastifyReply, attempt: number): TransactionRun {
    const tx = this.#makeTransaction(request, reply, attempt)
    const transaction = new Transaction(tx, this.#context.handles, this.route)
    const run: TransactionRun = { owner: this, request, reply, tx, transaction, isSuperseded: false }
    this.#context.setRun(request, run)
    return run
  }

  #makeTransaction (request: FastifyRequest, reply: FastifyReply, attempt: number): LazyTransaction {
    const { options, driver, plan } = this.route
    const { deadline = 0, settings } = options
    const { prefix, retryAfter, afterCommit, observe } = this.#context
    return new LazyTransaction(driver, {
      plan,
      attempt,
      label: getLabel(prefix, this.route, request),
      deadline,
      spent: performance.now() - this.#startedAt,
      retryAfter,
      ...(settings === undefined ? {} : { settings: () => settings(request) }),
      canBegin: () => findBeginRefusal(this, { request, reply }),
      onOpen: () => {
        this.#onOpen()
      },
      onExpire: (error) => {
        answerTimeout(this, error)
      },
      afterCommit,
      observe
    })
  }

  #onOpen (): void {
    this.#guards.put()
    const { stream, streamIdleTimeout = 0 } = this.route.options
    if (stream === true && streamIdleTimeout > 0) {
      void new StreamIdleTimer(this, streamIdleTimeout, (error) => {
        answerStreamIdle(this, error)
      })
    }
    const { bodyTimeout } = this.#context
    if (!this.#isBeforeHandler) return
    this.#before ??= copyStatusAndHeaders(this.reply)
    this.noteHandle()
    this.#bodyTimer = boundBody(this, bodyTimeout, () => this.#isBeforeHandler)
  }
}
