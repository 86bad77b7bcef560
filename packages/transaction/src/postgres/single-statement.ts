import type { Pool, PoolClient, QueryResult, QueryResultRow } from 'pg'
import type { OpenContext } from '../core/driver.ts'
import { cancelStatement } from './cancel.ts'
import type { CheckoutOptions } from './checkout.ts'
import { checkout } from './checkout.ts'
import { OutcomeUnknownError, TransactionUsageError } from '../errors.ts'
import { giveBack } from './give-back.ts'
import type { TransactionOptions } from '../options/route-options.ts'
import { noteDatabaseError } from '../core/origin.ts'
import { isConnectionProblem, isReplicaError, isRetriable } from './errors.ts'
import type { SqlDriver, SqlTransaction, Statement } from '../core/sql.ts'
import { statementText } from '../sql-text/statement-text.ts'
import { Patience, withTimeout } from '../core/with-timeout.ts'

/** Options that need a BEGIN to be sent with. */
const needBegin = ['isolationLevel', 'accessMode', 'deferrable', 'stream', 'settings'] as const

/** Longest wait for a cancelled statement before its connection is thrown away. */
const rollbackTimeout = 1000

interface SingleStatementOptions extends CheckoutOptions {
  /**
   * `connectAlive`, where a pool has it, gives a connection that was asked whether it lives: there is no BEGIN to find
   * out.
   */
  pool: Pool & { connectAlive?: () => Promise<PoolClient> }
  /** Resets the session before its connection goes back to the pool; see `giveBack`. Default false. */
  resetSession?: boolean | undefined
}

/**
 * The driver of `transaction: 'statement'`: one statement, committed by itself, without BEGIN and COMMIT. What is given
 * up: a reply that fails after the statement, and a client or deadline that ends the request while it runs, may leave
 * it committed behind an answer that is no 2xx.
 */
export function singleStatementDriver (options: SingleStatementOptions): SqlDriver {
  return {
    store: 'sql',
    pool: options.pool,
    plan (declared: TransactionOptions) {
      const wrong = needBegin.filter((name) => name in declared)
      if (wrong.length > 0) {
        throw new TransactionUsageError(`${wrong.join(', ')} needs a transaction; 'statement' has none`)
      }
    },
    open: async (_plan: unknown, context: OpenContext) => await Promise.resolve(new SingleStatement(options, context)),
    isRetriable
  }
}

class SingleStatement implements SqlTransaction {
  firstFailure: { statement: string; error: unknown } | undefined
  readonly #options: SingleStatementOptions
  readonly #context: OpenContext
  #client: PoolClient | undefined
  #lost: Error | undefined
  #isUsed = false
  readonly #onError = (error: Error): void => {
    this.#lost ??= error
  }

  constructor (options: SingleStatementOptions, context: OpenContext) {
    this.#options = options
    this.#context = context
  }

  async query<Row extends QueryResultRow> (statement: Statement, values?: unknown[]): Promise<QueryResult<Row>> {
    const text = statementText(statement)
    if (this.#isUsed) {
      throw new TransactionUsageError(
        `${this.#context.label} declares transaction: 'statement' and sent a second statement; declare transaction: true`
      )
    }
    this.#isUsed = true
    const { pool, checkoutTimeout } = this.#options
    const connect = () => pool.connectAlive?.() ?? pool.connect()
    const client = await checkout(this.#options, this.#context, new Patience(checkoutTimeout), connect)
    this.#client = client.on('error', this.#onError)
    try {
      return await client.query<Row>(statement, values)
    } catch (thrown) {
      const error = noteDatabaseError(thrown)
      const isLost = isConnectionProblem(error)
      // The error of a dying connection may come before its end does: nobody else must get it, nor one to a replica.
      this.#release((isLost || isReplicaError(error)) && error instanceof Error ? error : undefined)
      const failure = isLost ? new OutcomeUnknownError(this.#context.label, error) : error
      this.firstFailure = { statement: text, error: failure }
      throw failure
    } finally {
      this.#release()
    }
  }

  async commit (): Promise<void> {
    // A failed statement has stored nothing; a handler that went on must not answer as if it had.
    const { firstFailure } = this
    if (firstFailure === undefined) return
    throw new TransactionUsageError(`the one statement of ${this.#context.label} failed and its error was swallowed`)
  }

  async rollback (running: Promise<unknown> | undefined): Promise<void> {
    if (this.#client === undefined || running === undefined) return
    await cancelStatement(this.#client)
    await withTimeout(rollbackTimeout, running.then(ignore, ignore), 'the running statement did not stop').catch(
      (error: Error) => {
        this.#release(error)
      }
    )
  }

  #release (error = this.#lost): void {
    const client = this.#client
    if (client === undefined) return
    this.#client = undefined
    client.removeListener('error', this.#onError)
    giveBack(client, error, this.#options.resetSession)
  }
}

function ignore (): void {}
