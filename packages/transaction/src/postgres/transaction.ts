import type { PoolClient, QueryArrayConfig, QueryConfig, QueryResult, QueryResultRow, Submittable } from 'pg'
import { refusedSettings } from './begin.ts'
import type { OpenContext, OpenTransaction } from '../core/driver.ts'
import { cancelStatement } from './cancel.ts'
import { conclude, type Conclusion } from './conclude.ts'
import {
  OutcomeUnknownError,
  TransactionAbortedError,
  TransactionTimeoutError,
  TransactionUsageError
} from '../errors.ts'
import { noteDatabaseError } from '../core/origin.ts'
import { isAmbiguous, isConnectionProblem, isReplicaError, sqlState } from './errors.ts'
import { giveBack } from './give-back.ts'
import { closeReader, isReaderIdle, tellWhenDone } from './reader.ts'
import { statementText } from '../sql-text/statement-text.ts'
import { ignore } from '../core/given-promises.ts'
import { withTimeout } from '../core/with-timeout.ts'

type Statement = string | QueryConfig | QueryArrayConfig

const endedForItsTime: Record<string, string> = { '25P03': 'idleInTransactionTimeout', '25P04': 'transactionTimeout' }

interface Bounds {
  beginTimeout: number
  commitTimeout: number
  resetSession?: boolean | undefined
}

/** Longest wait for a cancelled statement and for ROLLBACK before the connection is thrown away. */
const rollbackTimeout = 1000

/** A PostgreSQL transaction on the one connection it holds until commit or rollback. */
export class PostgresTransaction implements OpenTransaction {
  firstFailure: { statement: string; error: unknown } | undefined
  readonly #client: PoolClient
  readonly #context: OpenContext
  readonly #bounds: Bounds
  #lost: Error | undefined
  #misuse: Error | undefined
  #replica: unknown
  #mayWrite = true
  #reader: Submittable | undefined
  /** Why a pipelined BEGIN failed, and with it every statement behind it. */
  #beginFailure: unknown
  #isStuck = false
  #isAnswered = false
  #isReleased = false
  readonly #onError = (error: Error): void => {
    this.#lost ??= noteDatabaseError(error)
    const bound = endedForItsTime[sqlState(error) ?? '']
    this.#context.onLost(bound === undefined ? error : new TransactionTimeoutError(this.#context.label, bound, error))
  }

  constructor (client: PoolClient, context: OpenContext, bounds: Bounds) {
    this.#client = client
    this.#context = context
    this.#bounds = bounds
    client.on('error', this.#onError)
  }

  /**
   * Sends BEGIN with its settings. The connection is thrown away when this fails.
   * @param mayWrite false: the message begins a transaction that cannot write
   */
  async begin (message: string, mayWrite: boolean): Promise<void> {
    this.#mayWrite = mayWrite
    if (this.#client.pipeline) {
      // On a pipelined connection BEGIN travels with the first statement, in one packet; that fails too when BEGIN does.
      const { stream } = this.#client.connection
      stream.cork()
      process.nextTick(() => {
        stream.uncork()
      })
      this.#client.query(message).catch((error: unknown) => {
        this.#beginFailure = refusedSettings(this.#context.label, error)
        this.#note(message, error)
      })
      return
    }
    try {
      await withTimeout(this.#bounds.beginTimeout, this.#client.query(message), 'BEGIN was not answered in time')
    } catch (error) {
      this.#release(noteDatabaseError(error))
      throw error
    }
  }

  async query<Row extends QueryResultRow> (statement: Statement, values?: unknown[]): Promise<QueryResult<Row>> {
    if (this.#isOutside) this.#misuse ??= ended()
    if (this.#misuse !== undefined) throw this.#misuse
    const text = statementText(statement)
    try {
      const result = await this.#client.query<Row>(statement, values)
      this.#isAnswered = true
      if (this.#isOutside) throw this.#misuse = ended()
      return result
    } catch (error) {
      this.#isAnswered = true
      // pg's query_timeout gives up waiting, not the statement.
      if (error instanceof Error && error.message === 'Query read timeout') this.#isStuck = true
      this.#note(text, error)
      throw this.#beginFailure ?? error
    }
  }

  /** True when the server says that no transaction is open. A pipelined BEGIN is answered with the first statement; before, its word is old. */
  get #isOutside (): boolean {
    return (!this.#client.pipeline || this.#isAnswered) && this.#client.getTransactionStatus() === 'I'
  }

  /** Hands a cursor or query stream to the connection; `onDone` is called when the connection is free again. */
  submit (query: Submittable, onDone: () => void): void {
    this.#reader = query
    const free = () => {
      this.#reader = undefined
      onDone()
    }
    // One that nobody listens to must not end the process; whoever reads it hears of the error.
    if ('on' in query && typeof query.on === 'function') query.on('error', ignore)
    tellWhenDone(query, free, (error) => {
      this.#note('a cursor or query stream', error)
    })
    this.#client.query(query)
  }

  get isReaderIdle (): boolean {
    return this.#reader !== undefined && isReaderIdle(this.#reader)
  }

  closeReader (): void {
    closeReader(this.#reader)
  }

  async commit (): Promise<void> {
    await this.#refuseMisuse()
    const { command, warning } = await this.#conclude('COMMIT')
    this.#release()
    // COMMIT of an aborted transaction succeeds: its command tag is the only sign that nothing was stored.
    if (command !== 'COMMIT') throw this.#aborted()
    // A warning means that the wait for a synchronous standby was cut short: stored here, perhaps not there.
    if (warning !== undefined) throw new OutcomeUnknownError(this.#context.label, new Error(warning))
  }

  /**
   * Sends the message whose last statement is PREPARE TRANSACTION. The connection stays here until `finish`.
   * @returns the warning it came with: prepared here, perhaps not on a synchronous standby
   * @throws OutcomeUnknownError when it was not answered: it may be prepared, or become so
   */
  async prepare (message: string): Promise<string | undefined> {
    await this.#refuseMisuse()
    if (this.#client.getTransactionStatus() === 'E') {
      await this.rollback(undefined)
      throw this.#aborted()
    }
    const { command, warning } = await this.#conclude(message)
    if (command === 'PREPARE') return warning
    this.#release()
    throw this.#aborted()
  }

  /**
   * Sends COMMIT PREPARED or ROLLBACK PREPARED on the connection that prepared, and gives it back; without a statement
   * it only does that.
   * @returns whether the server has confirmed the statement, on its synchronous standby too
   */
  async finish (statement?: string): Promise<boolean> {
    let isConfirmed = false
    try {
      if (statement !== undefined) isConfirmed = (await this.#conclude(statement)).warning === undefined
    } catch {}
    this.#release()
    return isConfirmed
  }

  async rollback (running: Promise<unknown> | undefined): Promise<void> {
    try {
      if (this.#lost === undefined && (running !== undefined || this.#isStuck)) {
        await cancelStatement(this.#client)
        closeReader(this.#reader)
        await withTimeout(rollbackTimeout, settled(running ?? Promise.resolve()), 'the running statement did not stop')
      }
      if (this.#lost === undefined) {
        await withTimeout(rollbackTimeout, this.#client.query('ROLLBACK'), 'ROLLBACK was not answered in time')
      }
      this.#release()
    } catch (error) {
      this.#release(error)
    }
  }

  async #refuseMisuse (): Promise<void> {
    if (this.#isOutside) this.#misuse ??= ended()
    if (this.#misuse === undefined) return
    await this.rollback(undefined)
    throw this.#misuse
  }

  /** Sends what ends the transaction; an error is what its COMMIT means by it. */
  async #conclude (message: string): Promise<Conclusion> {
    try {
      return await conclude(this.#client, message, this.#bounds.commitTimeout)
    } catch (error) {
      throw await this.#commitError(error)
    }
  }

  #aborted (): TransactionAbortedError {
    const { statement = 'not sent through this transaction', error } = this.firstFailure ?? {}
    return new TransactionAbortedError(this.#context.label, statement, error)
  }

  #note (text: string, error: unknown): void {
    this.firstFailure ??= { statement: text, error: noteDatabaseError(error) }
    // A session on a replica would refuse the next write as well, also after another server has become primary.
    if (this.#mayWrite && isReplicaError(error)) this.#replica ??= error
  }

  async #commitError (error: unknown): Promise<unknown> {
    const isAnswered = sqlState(error) !== undefined && !isConnectionProblem(error) && !isAmbiguous(error)
    if (isAnswered) {
      // pg reports an error before the server is ready again; a ROLLBACK waits for that and leaves the connection clean.
      await this.rollback(undefined)
      return error
    }
    this.#release(error)
    return new OutcomeUnknownError(this.#context.label, error)
  }

  /** The only place that gives the connection back: as it is when it is clean, thrown away when anything is in doubt. */
  #release (error?: unknown): void {
    if (this.#isReleased) return
    this.#isReleased = true
    const client = this.#client
    client.removeListener('error', this.#onError)
    giveBack(client, error ?? this.#lost ?? this.#replica, this.#bounds.resetSession)
  }
}

function ended (): TransactionUsageError {
  return new TransactionUsageError(
    'a statement ended the transaction by itself, and what it did cannot be taken back; use commit() and rollback() of the transaction'
  )
}

const settled = (promise: Promise<unknown>): Promise<unknown> => promise.then(ignore, ignore)
