import type { PoolClient, QueryResult, QueryResultRow, Submittable } from 'pg'
import { Beginning, type BeginOptions, type Statement } from './beginning.ts'
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
import { HeldClient } from './held-client.ts'
import { closeReader, isReaderIdle, tellWhenDone } from './reader.ts'
import { statementText } from '../sql-text/statement-text.ts'
import { ignore } from '../core/given-promises.ts'
import { withTimeout } from '../core/with-timeout.ts'

const endedForItsTime: Record<string, string> = { '25P03': 'idleInTransactionTimeout', '25P04': 'transactionTimeout' }

/** Times in milliseconds. */
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
  readonly #context: OpenContext
  readonly #bounds: Bounds
  readonly #mayWrite: boolean
  readonly #beginning: Beginning
  #misuse: Error | undefined
  #replica: unknown
  #reader: Submittable | undefined
  #isStuck = false

  constructor (client: PoolClient, context: OpenContext, bounds: Bounds, begin: BeginOptions) {
    this.#context = context
    this.#bounds = bounds
    this.#mayWrite = begin.mayWrite
    const hold = (taken: PoolClient) => new HeldClient(taken, this.#onEnd, bounds.resetSession)
    this.#beginning = new Beginning(client, context, begin, bounds.beginTimeout, hold)
  }

  /** Begins at once; otherwise the first statement does, and travels with BEGIN. */
  async begin (): Promise<void> {
    await this.#beginning.alone()
  }

  async query<Row extends QueryResultRow> (statement: Statement, values?: unknown[]): Promise<QueryResult<Row>> {
    const refusal = this.#refusal
    if (refusal !== undefined) throw refusal
    const text = statementText(statement)
    // A promise whatever happens: pg, and what wraps it, may throw at once.
    const send = async (client: PoolClient) => await client.query<Row>(statement, values)
    try {
      const result = this.#beginning.isBegun
        ? await send(this.#client)
        : await this.#beginning.together(statement, values, send)
      if (this.#isOutside) throw this.#misuse = ended()
      return result
    } catch (error) {
      // pg's query_timeout gives up waiting, not the statement.
      if (error instanceof Error && error.message === 'Query read timeout') this.#isStuck = true
      this.#note(text, error)
      throw error
    }
  }

  get #client (): PoolClient {
    return this.#beginning.held.client
  }

  /** True when the server says that no transaction is open. */
  get #isOutside (): boolean {
    return this.#beginning.isBegun && this.#client.getTransactionStatus() === 'I'
  }

  /** What makes another statement and COMMIT impossible. */
  get #refusal (): unknown {
    if (this.#isOutside) this.#misuse ??= ended()
    return this.#misuse ?? this.#beginning.failure
  }

  readonly #onEnd = (error: Error): void => {
    // Before BEGIN was answered another connection takes its place.
    if (!this.#beginning.isBegun) return
    const bound = endedForItsTime[sqlState(error) ?? '']
    this.#context.onLost(bound === undefined ? error : new TransactionTimeoutError(this.#context.label, bound, error))
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
    this.#beginning.stop()
    const { held, isBegun } = this.#beginning
    if (!isBegun && running === undefined) return held.release()
    try {
      if (!held.isLost && (running !== undefined || this.#isStuck)) {
        await cancelStatement(held.client)
        closeReader(this.#reader)
        await withTimeout(rollbackTimeout, settled(running ?? Promise.resolve()), 'the running statement did not stop')
      }
      if (!held.isLost && !held.isReleased) {
        await withTimeout(rollbackTimeout, held.client.query('ROLLBACK'), 'ROLLBACK was not answered in time')
      }
      this.#release()
    } catch (error) {
      this.#release(error)
    }
  }

  async #refuseMisuse (): Promise<void> {
    const refusal = this.#refusal
    if (refusal === undefined) return
    await this.rollback(undefined)
    throw refusal
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

  #release (doubt: unknown = this.#replica): void {
    this.#beginning.held.release(doubt)
  }
}

function ended (): TransactionUsageError {
  return new TransactionUsageError(
    'a statement ended the transaction by itself, and what it did cannot be taken back; use commit() and rollback() of the transaction'
  )
}

const settled = (promise: Promise<unknown>): Promise<unknown> => promise.then(ignore, ignore)
