import { AbortState } from './abort-state.ts'
import type { Driver, Label, OpenTransaction } from './driver.ts'
import {
  ConnectionLostError,
  OutcomeUnknownError,
  TransactionClosedError,
  TransactionError,
  TransactionTimeoutError
} from '../errors.ts'
import { ObservedLife } from './observed-life.ts'
import type { LazyTransactionOptions } from './lazy-transaction-options.ts'
import { GivenPromises, ignore, type FollowOptions } from './given-promises.ts'
import { toWord, type State } from './state.ts'
import { Statements } from './statements.ts'
import { afterTime, type Wait } from './with-timeout.ts'

/**
 * One transaction's life, free of Fastify and of any database: opened by its first statement, one statement at a time,
 * settled exactly once.
 */
export class LazyTransaction<Transaction extends OpenTransaction = OpenTransaction, Plan = unknown> {
  readonly label: Label
  readonly attempt: number
  readonly driver: Driver<Plan, Transaction>
  /** Set by `setRollbackOnly()`: the settlement rolls back whatever the reply says. */
  rollbackOnly = false
  readonly statements = new Statements()
  /** Why the transaction failed to open, or was lost. */
  failure: Error | undefined
  /** What the program did past the transaction; see `refuse`. */
  misuse: Error | undefined
  /** The settlement; undefined until somebody asked for one. */
  settled: Promise<void> | undefined
  /** The begun transaction, kept after the end for what it still tells (its first failed statement, operation time). */
  transaction: Transaction | undefined

  readonly #options: LazyTransactionOptions<Plan>
  #state: State = 'idle'
  #tail: Promise<unknown> = Promise.resolve()
  #isSealed = false
  readonly #abort = new AbortState()
  readonly #life = new ObservedLife()
  #callbacks: Array<() => unknown> = []
  #deadline: Wait | undefined
  readonly #given: GivenPromises

  constructor (driver: Driver<Plan, Transaction>, options: LazyTransactionOptions<Plan>) {
    const { label, attempt, deadline, spent } = options
    this.driver = driver
    this.#options = options
    this.label = label
    this.attempt = attempt
    this.#given = new GivenPromises(label)
    // Whole milliseconds: Node keeps a list of timers for each duration that occurs.
    if (deadline > 0) {
      this.#deadline = afterTime(Math.max(1, Math.ceil(deadline - spent)), () => {
        this.#expire()
      }, { unref: true })
    }
  }

  get state (): State {
    return this.#state
  }

  /** Why the transaction was given up from outside: deadline or client gone. */
  get abortReason (): Error | undefined {
    return this.#abort.reason
  }

  /** Holds a connection that must still be settled. */
  get isOpen (): boolean {
    return this.#state === 'open' || this.#state === 'opening' || this.#state === 'committing' || this.#state === 'lost'
  }

  /** Nothing was sent, done past it or refused: its end is decided without a wait. */
  get isUntouched (): boolean {
    return this.#state === 'idle' && this.misuse === undefined && this.#given.forgotten === undefined
  }

  /** The store is at work: a statement runs, or rows are asked of a cursor. A cursor that the program does not read is no work. */
  get isWorking (): boolean {
    return this.statements.running !== undefined && this.transaction?.isReaderIdle !== true
  }

  /** Milliseconds between the first statement and the end; 0 when none was sent. */
  get duration (): number {
    return this.#life.duration
  }

  /** Queues one statement. The first one opens the transaction. Rejects when the transaction no longer takes statements. */
  run<Result> (statement: (transaction: Transaction) => Promise<Result>): Promise<Result> {
    const refusal = this.#refusal()
    if (refusal !== undefined) return this.follow(Promise.reject(refusal))
    if (this.#state === 'idle') this.#tail = this.#open()
    const result = this.#tail.then(() => this.#perform(statement))
    this.#tail = result.then(ignore, ignore)
    return this.follow(result)
  }

  /**
   * Follows work whose promise is given to the program: it ends no process, and when it fails and nobody has listened by the
   * time of a commit, that fails too.
   */
  follow<Result> (work: Promise<Result>, options?: FollowOptions): Promise<Result> {
    return this.#given.follow(work, options)
  }

  /** Registers a callback for after the COMMIT; it never runs when the transaction does not commit. */
  afterCommit (callback: () => unknown): void {
    if (this.settled !== undefined) throw new TransactionClosedError(this.label, this.#state)
    this.#callbacks.push(callback)
  }

  /** Commits or rolls back, once; later calls get the first settlement. Rejects only when a commit was asked for and did not happen. */
  settle (how: 'commit' | 'rollback'): Promise<void> {
    if (this.settled === undefined) {
      this.settled = how === 'commit' && !this.rollbackOnly ? this.#commit() : this.#rollback()
      this.settled.catch((error: Error) => {
        this.failure ??= error
      })
    }
    return this.settled
  }

  /** Makes the settlement roll back and reject: the program did something past the transaction. The first mistake counts. */
  refuse (misuse: Error): void {
    this.misuse ??= misuse
  }

  /** Ends the transaction because of something outside it; leaves a COMMIT that has begun alone. */
  abort (reason: Error): Promise<void> {
    if (this.#state === 'committing' || this.#life.hasEnded) return this.settled ?? Promise.resolve()
    this.#abort.abort(reason)
    return this.settle('rollback').catch(ignore)
  }

  #refusal (): Error | undefined {
    if (this.#abort.reason !== undefined) return this.#abort.reason
    if (this.#isSealed) {
      return new TransactionClosedError(this.label, this.#state === 'open' ? 'being settled' : this.#state)
    }
    if (this.#state === 'idle') return this.#options.canBegin?.()
    if (this.#state === 'opening' || this.#state === 'open') return undefined
    return this.failure ?? new TransactionClosedError(this.label, this.#state)
  }

  async #open (): Promise<void> {
    this.#state = 'opening'
    this.#life.begin(this.#options.observe, { store: this.driver.store, label: this.label, attempt: this.attempt })
    this.#options.onOpen?.()
    try {
      const opening = this.#life.around(() =>
        this.driver.open(this.#options.plan, {
          label: this.label,
          settings: this.#options.settings?.(),
          isAborted: () => this.#abort.reason !== undefined || this.#life.hasEnded,
          onLost: (error) => {
            this.#lose(error)
          }
        })
      )
      const transaction = await this.#abort.unlessAborted(opening)
      // A connection that arrives after the transaction gave up goes straight back.
      if (transaction === undefined || this.#life.hasEnded) {
        return void opening.then((late) => late.rollback(undefined), ignore)
      }
      this.transaction = transaction
      if (this.#state === 'opening') this.#state = 'open'
    } catch (error) {
      if (this.#state === 'opening') this.#state = 'failed'
      this.failure = error instanceof Error ? error : new Error('the transaction could not be opened', { cause: error })
    }
  }

  async #perform<Result> (statement: (transaction: Transaction) => Promise<Result>): Promise<Result> {
    const { transaction } = this
    if (this.#abort.reason !== undefined) throw this.#abort.reason
    if (this.#state !== 'open' || transaction === undefined) {
      throw this.failure ?? new TransactionClosedError(this.label, this.#state)
    }
    try {
      return await this.statements.run(() => this.#life.around(() => statement(transaction)))
    } catch (error) {
      // A statement that a rollback stops fails for the reason of that rollback.
      throw this.#abort.reason ?? (this.#isSealed ? this.misuse : undefined) ?? error
    }
  }

  async #commit (): Promise<void> {
    this.#isSealed = true
    if (this.isUntouched) return this.#end('committed')
    this.transaction?.closeReader?.()
    await this.#abort.unlessAborted(this.#tail)
    const { transaction } = this
    const refusal = this.#abort.reason ?? this.misuse ?? this.failure ?? this.#given.forgotten
    if (refusal !== undefined || transaction === undefined) {
      await this.#undo()
      throw refusal ?? new TransactionClosedError(this.label, this.#state)
    }
    this.#state = 'committing'
    try {
      await this.#life.around(() => transaction.commit())
    } catch (error) {
      this.#end(error instanceof OutcomeUnknownError ? 'unknown' : 'rolled back')
      throw error
    }
    this.#end('committed')
  }

  async #rollback (): Promise<void> {
    this.#isSealed = true
    if (this.#state === 'opening') this.#abort.stopWaiting()
    await this.#undo()
  }

  async #undo (): Promise<void> {
    const { transaction } = this
    const last = this.#state
    if (transaction !== undefined) {
      this.#state = 'rolling back'
      await this.#life.around(() => transaction.rollback(this.statements.running))
    }
    this.#end(last === 'failed' || last === 'lost' ? last : 'rolled back')
  }

  #end (state: 'committed' | 'rolled back' | 'failed' | 'lost' | 'unknown'): void {
    this.#deadline?.stop()
    this.#state = state
    this.#life.end({ outcome: toWord(state), statements: this.statements.sent })
    if (state === 'committed' && this.#callbacks.length > 0) this.#options.afterCommit(this.#callbacks)
  }

  #lose (error: Error): void {
    if (this.#state !== 'open') return
    this.#state = 'lost'
    this.failure = error instanceof TransactionError
      ? error
      : new ConnectionLostError(this.label, this.#options.retryAfter, error)
  }

  #expire (): void {
    if (this.#state === 'committing' || this.#life.hasEnded) return
    const error = new TransactionTimeoutError(this.label, this.#options.deadline)
    this.abort(error).then(() => {
      this.#options.onExpire?.(error)
    }, ignore)
  }
}
