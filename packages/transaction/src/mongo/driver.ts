import { setTimeout as sleep } from 'node:timers/promises'
import type { ClientSession, MongoClient } from 'mongodb'
import type { Driver, OpenContext, OpenTransaction } from '../core/driver.ts'
import type { TransactionOptions } from '../options/route-options.ts'
import { OutcomeUnknownError, TransactionAbortedError, TransactionClosedError } from '../errors.ts'
import { hasLabel, isServerSide, isUnanswered } from './errors.ts'
import { withTimeout } from '../core/with-timeout.ts'

/** Times in milliseconds. */
export interface MongoDriverOptions {
  client: MongoClient
  /** How long an unanswered commit is repeated before its outcome counts as unknown; 0: as long as it takes. */
  commitTimeout: number
  /** Awaited before a transaction begins, so that this process has none of its own while it runs; see `Orphans`. */
  ready?: () => Promise<void>
}

const sqlOnly = [
  'isolationLevel',
  'accessMode',
  'deferrable',
  'statementTimeout',
  'lockTimeout',
  'idleInTransactionTimeout',
  'transactionTimeout',
  'settings'
] as const

/** The options that only an SQL store can honour, out of those a route wrote itself. */
export function sqlOnlyOptions (options: object): string[] {
  return sqlOnly.filter((name) => name in options)
}

const longestRollback = 1000
const longestPause = 500
const noAnswer = 'commitTransaction was not answered in time'

/** A MongoDB client as a transaction driver. A session sends nothing before its first operation. */
export class MongoDriver implements Driver<TransactionOptions, MongoTransaction> {
  readonly store = 'mongo'
  readonly #options: MongoDriverOptions

  constructor (options: MongoDriverOptions) {
    this.#options = options
  }

  get pool (): object {
    return this.#options.client
  }

  get client (): object {
    return this.#options.client
  }

  plan (options: TransactionOptions): TransactionOptions {
    return options
  }

  async open (_plan: TransactionOptions, context: OpenContext): Promise<MongoTransaction> {
    const { client, commitTimeout, ready } = this.#options
    await ready?.()
    const session = client.startSession({ causalConsistency: true })
    session.startTransaction({
      readConcern: { level: 'snapshot' },
      readPreference: 'primary',
      writeConcern: { w: 'majority', journal: true },
      ...(commitTimeout > 0 ? { maxCommitTimeMS: commitTimeout } : {})
    })
    return new MongoTransaction(session, context, this.#options)
  }

  isRetriable (error: unknown): boolean {
    return hasLabel(error, 'TransientTransactionError')
  }
}

/** What every operation of a transaction must carry. */
export interface OperationOptions {
  session: ClientSession
  signal: AbortSignal
  readPreference: 'primary'
}

/** A MongoDB transaction on the session it holds until commit or abort. */
export class MongoTransaction implements OpenTransaction {
  firstFailure: { statement: string; error: unknown } | undefined
  /** Cluster time of the commit, for causally consistent reads elsewhere; undefined before it. */
  operationTime: ClientSession['operationTime']
  /** Names of the collections that operations other than reads were sent to. */
  readonly written = new Set<string>()
  readonly #session: ClientSession
  readonly #context: OpenContext
  readonly #options: MongoDriverOptions
  readonly #abort = new AbortController()
  /** The commit or abort on its way; the session is not given back before its end. */
  #ending: Promise<unknown> = Promise.resolve()

  constructor (session: ClientSession, context: OpenContext, options: MongoDriverOptions) {
    this.#session = session
    this.#context = context
    this.#options = options
  }

  /** The session's id in hexadecimal digits, by which the server lists its transaction. */
  get sessionId (): string {
    const { id } = this.#session
    return id === undefined ? '' : Buffer.from(id.id.buffer).toString('hex')
  }

  /** Runs one operation. Any error of the server's ends the transaction there, so it is remembered here. */
  async operate<Result> (name: string, operation: (options: OperationOptions) => Promise<Result>): Promise<Result> {
    try {
      // Transactions read from the primary, whatever the client does elsewhere.
      return await operation({ session: this.#session, signal: this.#abort.signal, readPreference: 'primary' })
    } catch (error) {
      if (isServerSide(error)) this.firstFailure ??= { statement: name, error }
      throw error
    }
  }

  async commit (): Promise<void> {
    if (this.firstFailure !== undefined) {
      // A bare commit would be answered "transient", and a plain mistake would be run again.
      await this.rollback(undefined)
      throw new TransactionAbortedError(this.#context.label, this.firstFailure.statement, this.firstFailure.error)
    }
    try {
      await this.#commitUntilAnswered()
      this.operationTime = this.#session.operationTime
    } catch (error) {
      this.#kill()
      throw error
    } finally {
      this.#end()
    }
  }

  async rollback (running: Promise<unknown> | undefined): Promise<void> {
    if (running !== undefined) {
      this.#abort.abort(new TransactionClosedError(this.#context.label, 'being rolled back'))
      await withTimeout(longestRollback, running.then(ignore, ignore), 'the running operation did not stop').catch(
        ignore
      )
    }
    this.#ending = this.#session.abortTransaction().catch(ignore)
    await withTimeout(longestRollback, this.#ending, 'abortTransaction was not answered in time').catch(ignore)
    this.#end()
  }

  /** Repeating a commit is harmless: session and transaction number stay the same. */
  async #commitUntilAnswered (): Promise<void> {
    const { commitTimeout } = this.#options
    const until = commitTimeout === 0 ? Infinity : performance.now() + commitTimeout
    for (let round = 0;; round++) {
      try {
        const answer = this.#session.commitTransaction()
        this.#ending = answer.catch(ignore)
        await withTimeout(commitTimeout === 0 ? 0 : Math.max(1, until - performance.now()), answer, noAnswer)
        return
      } catch (error) {
        const isUnknown = isUnanswered(error) || (error instanceof Error && error.message === noAnswer)
        if (!isUnknown) throw error
        const pause = Math.min(25 * 2 ** round, longestPause)
        if (performance.now() + pause >= until) throw new OutcomeUnknownError(this.#context.label, error)
        await sleep(pause)
      }
    }
  }

  /** Frees the documents of a commit that was refused or never arrived; one that did arrive is not undone by it. */
  #kill (): void {
    const { id } = this.#session
    if (id === undefined) return
    const killing = killSession(this.#options.client, id)
    // The session must not serve another transaction before: it would be killed with this one.
    this.#ending = Promise.allSettled([this.#ending, killing])
  }

  #end (): void {
    this.#ending.then(() => this.#session.endSession()).catch(ignore)
  }
}

/** What broke the commit may break this too, so it is tried for some seconds. */
async function killSession (client: MongoClient, id: object): Promise<void> {
  for (let round = 0; round < 6; round++) {
    try {
      await client.db('admin').command({ killSessions: [id] })
      return
    } catch {
      await sleep(100 * 2 ** round, undefined, { ref: false })
    }
  }
}

function ignore (): void {}
