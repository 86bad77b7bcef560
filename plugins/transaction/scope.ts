import type { Driver, Label, OpenTransaction } from './driver.ts'
import { ConnectionLostError, OutcomeUnknownError, TransactionClosedError, TransactionTimeoutError } from './errors.ts'
import type { BegunTransaction, Observation, TransactionSummary } from './observe.ts'
import type { ScopeOptions } from './scope-options.ts'
import { GivenPromises, type FollowOptions } from './told.ts'
import { afterTime, type Wait } from './within.ts'

export type State =
  | 'idle'
  | 'opening'
  | 'open'
  | 'committing'
  | 'committed'
  | 'rolling back'
  | 'rolled back'
  | 'failed'
  | 'lost'
  | 'unknown'

/**
 * One transaction's life, free of Fastify and of any database: opened by its first statement, one statement at a time,
 * settled exactly once.
 */
export class Scope<Transaction extends OpenTransaction = OpenTransaction, Plan = unknown> {
  readonly label: Label
  readonly attempt: number
  readonly driver: Driver<Plan, Transaction>
  /** Set by `setRollbackOnly()`: the settlement rolls back whatever the reply says. */
  rollbackOnly = false
  /** Statements sent, BEGIN and COMMIT not counted. */
  statements = 0
  /** Why the scope failed to open, or was lost. */
  failure: Error | undefined
  /** What the program did past the transaction; see `refuse`. */
  misuse: Error | undefined
  /** The settlement; undefined until somebody asked for one. */
  settled: Promise<void> | undefined
  /** The begun transaction, kept after the end for what it still tells (its first failed statement, operation time). */
  transaction: Transaction | undefined

  readonly #options: ScopeOptions<Plan>
  #state: State = 'idle'
  #tail: Promise<unknown> = Promise.resolve()
  #running: Promise<unknown> | undefined
  #isSealed = false
  #doom: Error | undefined
  #onDoom: (() => void) | undefined
  #callbacks: Array<() => unknown> = []
  #deadline: Wait | undefined
  readonly #given: GivenPromises
  #observation: Observation | undefined
  #ended = 0
  #openedAt = 0
  #endedAt = 0

  constructor (driver: Driver<Plan, Transaction>, options: ScopeOptions<Plan>) {
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

  /** Why the scope was given up from outside: deadline or client gone. */
  get doom (): Error | undefined {
    return this.#doom
  }

  /** Holds a connection that must still be settled. */
  get isOpen (): boolean {
    return this.#state === 'open' || this.#state === 'opening' || this.#state === 'committing' || this.#state === 'lost'
  }

  /** Nothing was sent, done past it or refused: its end is decided without a wait. */
  get isUntouched (): boolean {
    return this.#state === 'idle' && this.misuse === undefined && this.#given.forgotten === undefined
  }

  /** A statement is running, or a cursor is open. */
  get isBusy (): boolean {
    return this.#running !== undefined
  }

  /** Statements that were begun and that have ended: a number that grows. */
  get progress (): number {
    return this.statements + this.#ended
  }

  /** The store is at work for the program: a statement runs, or rows are asked of a cursor. One that waits to be read is no work. */
  get isWorking (): boolean {
    return this.#running !== undefined && this.transaction?.isReaderIdle !== true
  }

  /** Milliseconds between the first statement and the end; 0 when none was sent. */
  get duration (): number {
    return this.#openedAt === 0 ? 0 : (this.#endedAt || performance.now()) - this.#openedAt
  }

  /** Queues one statement. The first one opens the transaction. Rejects when the scope no longer takes statements. */
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

  /** Ends the scope because of something outside it; leaves a COMMIT that has begun alone. */
  abandon (reason: Error): Promise<void> {
    if (this.#state === 'committing' || this.#endedAt !== 0) return this.settled ?? Promise.resolve()
    this.#doom ??= reason
    this.#onDoom?.()
    return this.settle('rollback').catch(ignore)
  }

  #refusal (): Error | undefined {
    if (this.#doom !== undefined) return this.#doom
    if (this.#isSealed) {
      return new TransactionClosedError(this.label, this.#state === 'open' ? 'being settled' : this.#state)
    }
    if (this.#state === 'idle') return this.#options.mayOpen?.()
    if (this.#state === 'opening' || this.#state === 'open') return undefined
    return this.failure ?? new TransactionClosedError(this.label, this.#state)
  }

  async #open (): Promise<void> {
    this.#state = 'opening'
    this.#openedAt = performance.now()
    this.#observation = this.#options.observe?.(this.#description)
    this.#options.onOpen?.()
    try {
      const opening = this.#around(() =>
        this.driver.open(this.#options.plan, {
          label: this.label,
          settings: this.#options.settings?.(),
          abandoned: () => this.#doom !== undefined || this.#endedAt !== 0,
          onLost: (error) => {
            this.#lose(error)
          }
        })
      )
      const transaction = await this.#unlessDoomed(opening)
      // A connection that arrives after the scope gave up goes straight back.
      if (transaction === undefined || this.#endedAt !== 0) {
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
    if (this.#doom !== undefined) throw this.#doom
    if (this.#state !== 'open' || transaction === undefined) {
      throw this.failure ?? new TransactionClosedError(this.label, this.#state)
    }
    this.statements++
    const running = this.#around(() => statement(transaction))
    this.#running = running
    try {
      return await running
    } catch (error) {
      throw this.#doom ?? error
    } finally {
      this.#running = undefined
      this.#ended++
    }
  }

  async #commit (): Promise<void> {
    this.#isSealed = true
    if (this.isUntouched) return this.#end('committed')
    this.transaction?.closeReader?.()
    await this.#unlessDoomed(this.#tail)
    const { transaction } = this
    const refusal = this.#doom ?? this.misuse ?? this.failure ?? this.#given.forgotten
    if (refusal !== undefined || transaction === undefined) {
      await this.#undo()
      throw refusal ?? new TransactionClosedError(this.label, this.#state)
    }
    this.#state = 'committing'
    try {
      await this.#around(() => transaction.commit())
    } catch (error) {
      this.#end(error instanceof OutcomeUnknownError ? 'unknown' : 'rolled back')
      throw error
    }
    this.#end('committed')
  }

  async #rollback (): Promise<void> {
    this.#isSealed = true
    if (this.#state === 'opening') this.#onDoom?.()
    await this.#undo()
  }

  async #undo (): Promise<void> {
    const { transaction } = this
    const last = this.#state
    if (transaction !== undefined) {
      this.#state = 'rolling back'
      await this.#around(() => transaction.rollback(this.#running))
    }
    this.#end(last === 'failed' || last === 'lost' ? last : 'rolled back')
  }

  #end (state: TransactionSummary['outcome']): void {
    this.#deadline?.stop()
    this.#state = state
    this.#endedAt = performance.now()
    this.#observation?.onEnd({
      ...this.#description,
      outcome: state,
      statements: this.statements,
      milliseconds: this.duration
    })
    if (state === 'committed' && this.#callbacks.length > 0) this.#options.afterCommit(this.#callbacks)
  }

  get #description (): BegunTransaction {
    return { store: this.driver.store, label: this.label, attempt: this.attempt }
  }

  #around<Result> (work: () => Result): Result {
    return this.#observation?.around === undefined ? work() : this.#observation.around(work)
  }

  #lose (error: Error): void {
    if (this.#state !== 'open') return
    this.#state = 'lost'
    this.failure = error instanceof TransactionTimeoutError
      ? error
      : new ConnectionLostError(this.label, this.#options.retryAfter, error)
  }

  #expire (): void {
    if (this.#state === 'committing' || this.#endedAt !== 0) return
    const error = new TransactionTimeoutError(this.label, this.#options.deadline)
    this.abandon(error).then(() => {
      this.#options.onExpire?.(error)
    }, ignore)
  }

  /** Waits, but no longer than until the scope is given up. */
  #unlessDoomed<Result> (waiting: Promise<Result>): Promise<Result | undefined> {
    if (this.#doom !== undefined) return Promise.resolve(undefined)
    const others = this.#onDoom
    return new Promise((resolve, reject) => {
      this.#onDoom = () => {
        others?.()
        resolve(undefined)
      }
      waiting.then(resolve, reject)
    })
  }
}

function ignore (): void {}
