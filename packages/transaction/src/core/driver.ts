import type { ClientSession } from 'mongodb'
import type { TransactionOptions } from '../options/route-options.ts'

/** Who a transaction belongs to, in words: `POST /orders (req-7)`, or the name given to `app.transaction`. */
export type Label = string

/** What is known only when the transaction starts. */
export interface OpenContext {
  label: Label
  /** `SET LOCAL` values of this request (role, tenant), as the program gave them; the driver checks them. SQL only. */
  settings: unknown
  /** True once the transaction has given up (deadline, client gone): hand the connection straight back. */
  isAborted: () => boolean
  /**
   * Called when the connection breaks outside a statement, or none can be had to begin on. A `TransactionError`, as
   * when the store ended it for its time, is what the program is told.
   */
  onLost: (error: Error) => void
}

/** A begun transaction on a connection that nobody else can reach. */
export interface OpenTransaction {
  /** The first statement that failed, without its values: named in the log when its error was swallowed. */
  readonly firstFailure: { statement: string; error: unknown } | undefined
  /**
   * Resolves only when the store has said that it committed; the connection is given back in every case. Throws
   * `OutcomeUnknownError` when the store did not say, `TransactionAbortedError` when an earlier statement had failed,
   * or the store's own refusal.
   */
  commit: () => Promise<void>
  /** MongoDB: cluster time of the commit, undefined before it. */
  readonly operationTime?: ClientSession['operationTime']
  /** MongoDB: names of the collections that were written. */
  readonly written?: ReadonlySet<string>
  /** A cursor or query stream is open and the store has nothing to do for it. Absent where the store has none. */
  readonly isReaderIdle?: boolean
  /**
   * Closes a cursor or query stream that is still being read: COMMIT is about to come. Absent where the store has none.
   */
  closeReader?: () => void
  /** Stops the running statement if there is one, undoes everything, gives the connection back. Never throws. */
  rollback: (running: Promise<unknown> | undefined) => Promise<void>
}

/** One store. Made once at boot; every transaction of that store shares it. */
export interface Driver<Plan = unknown, Transaction extends OpenTransaction = OpenTransaction> {
  readonly store: 'sql' | 'mongo'
  /**
   * What its connections come from. Of two transactions on the same pool the inner one could wait for the outer one for
   * ever.
   */
  readonly pool?: object
  /** The MongoDB client whose operations belong to its transactions. Absent where they have none. */
  readonly client?: object
  /**
   * Turns checked options into what `open` needs. Called at boot; throws a sentence when this store cannot do what is
   * asked.
   */
  plan(options: TransactionOptions): Plan
  /**
   * Takes a connection and begins. Dead connections are replaced while time is left. Leaves nothing behind when it
   * throws.
   */
  open(plan: Plan, context: OpenContext): Promise<Transaction>
  /**
   * True when running the whole handler again may succeed: serialization failure, deadlock, transient transaction
   * error.
   */
  isRetriable: (error: unknown) => boolean
}
