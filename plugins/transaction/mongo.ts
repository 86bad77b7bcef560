import { setTimeout as sleep } from 'node:timers/promises'
import type { ClientSession, MongoClient } from 'mongodb'
import type { Driver, OpenContext, OpenTransaction } from './driver.ts'
import type { TransactionOptions } from './options.ts'
import { OutcomeUnknownError, TransactionAbortedError, TransactionUsageError } from './errors.ts'
import { hasLabel, isServerSide } from './mongo-errors.ts'
import { within } from './within.ts'

/** Times in milliseconds. */
export interface MongoDriverOptions {
  client: MongoClient
  /** How long an unanswered commit is repeated before its outcome counts as unknown. */
  commitTimeout: number
}

const sqlOnly = ['isolationLevel', 'accessMode', 'deferrable', 'statementTimeout', 'lockTimeout', 'idleInTransactionTimeout', 'transactionTimeout', 'settings'] as const

/** The options that only an SQL store can honour, out of those a route wrote itself. */
export function sqlOnlyOptions (options: object): string[] {
  return sqlOnly.filter((name) => name in options)
}

const rollbackTimeout = 1000
const longestPause = 500

/** A MongoDB client as a transaction driver. A session sends nothing before its first operation. */
export class MongoDriver implements Driver<TransactionOptions, MongoTransaction> {
  readonly store = 'mongo'
  readonly #options: MongoDriverOptions

  constructor (options: MongoDriverOptions) {
    this.#options = options
  }

  plan (options: TransactionOptions): TransactionOptions {
    return options
  }

  async open (_plan: TransactionOptions, context: OpenContext): Promise<MongoTransaction> {
    const { client, commitTimeout } = this.#options
    const session = client.startSession({ causalConsistency: true })
    session.startTransaction({
      readConcern: { level: 'snapshot' },
      writeConcern: { w: 'majority', journal: true },
      maxCommitTimeMS: commitTimeout
    })
    return await Promise.resolve(new MongoTransaction(session, context, commitTimeout))
  }

  isRetriable (error: unknown): boolean {
    return hasLabel(error, 'TransientTransactionError')
  }
}

/** What every operation of a transaction must carry. */
export interface OperationOptions { session: ClientSession, signal: AbortSignal }

/** A MongoDB transaction on the session it holds until commit or abort. */
export class MongoTransaction implements OpenTransaction {
  firstFailure: { statement: string, error: unknown } | undefined
  /** Cluster time of the commit, for causally consistent reads elsewhere; undefined before it. */
  operationTime: ClientSession['operationTime']
  readonly #session: ClientSession
  readonly #context: OpenContext
  readonly #commitTimeout: number
  readonly #abort = new AbortController()

  constructor (session: ClientSession, context: OpenContext, commitTimeout: number) {
    this.#session = session
    this.#context = context
    this.#commitTimeout = commitTimeout
  }

  /** Runs one operation. Any error of the server's ends the transaction there, so it is remembered here. */
  async operate<Result> (name: string, operation: (options: OperationOptions) => Promise<Result>): Promise<Result> {
    try {
      return await operation({ session: this.#session, signal: this.#abort.signal })
    } catch (error) {
      if (isServerSide(error)) this.poison(name, error)
      throw error
    }
  }

  /** Makes the commit fail: something happened that the transaction must not survive. */
  poison (name: string, error: unknown): void {
    this.firstFailure ??= { statement: name, error }
  }

  async commit (): Promise<void> {
    if (this.firstFailure !== undefined) {
      await this.rollback(undefined)
      throw new TransactionAbortedError(this.#context.label, this.firstFailure.statement, this.firstFailure.error)
    }
    try {
      await this.#commitUntilAnswered()
      this.operationTime = this.#session.operationTime
    } finally {
      this.#end()
    }
  }

  async rollback (running: Promise<unknown> | undefined): Promise<void> {
    if (running !== undefined) {
      this.#abort.abort(new TransactionUsageError(`the transaction of ${this.#context.label} is being rolled back`))
      await within(rollbackTimeout, running.then(ignore, ignore), 'the running operation did not stop').catch(ignore)
    }
    await within(rollbackTimeout, this.#session.abortTransaction(), 'abortTransaction was not answered in time').catch(ignore)
    this.#end()
  }

  /** Repeating a commit is harmless: session and transaction number stay the same. */
  async #commitUntilAnswered (): Promise<void> {
    const until = performance.now() + this.#commitTimeout
    for (let round = 0; ; round++) {
      try {
        await this.#session.commitTransaction()
        return
      } catch (error) {
        if (!hasLabel(error, 'UnknownTransactionCommitResult')) throw error
        if (performance.now() >= until) throw new OutcomeUnknownError(this.#context.label, error)
        await sleep(Math.min(25 * 2 ** round, longestPause))
      }
    }
  }

  #end (): void {
    this.#session.endSession().catch(ignore)
  }
}

function ignore (): void {}
