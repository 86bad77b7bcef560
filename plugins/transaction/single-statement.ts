import type { Pool, PoolClient, QueryResult, QueryResultRow } from 'pg'
import type { OpenContext } from './driver.ts'
import { cancelStatement } from './cancel.ts'
import { TransactionUsageError } from './errors.ts'
import type { TransactionOptions } from './options.ts'
import { isRetriable } from './postgres-errors.ts'
import type { SqlDriver, SqlTransaction, Statement } from './sql.ts'
import { refuseTransactionControl, statementText } from './statement-text.ts'

/** Options that need a BEGIN to be sent with. */
const needBegin = ['isolationLevel', 'accessMode', 'deferrable', 'stream', 'settings'] as const

interface SingleStatementOptions {
  /** `connectAlive`, where a pool has it, gives a connection that was asked whether it lives: there is no BEGIN to find out. */
  pool: Pool & { connectAlive?: () => Promise<PoolClient> }
  unwatched: <Result>(checkout: () => Result) => Result
}

/**
 * The driver of `transaction: 'statement'`: one statement, committed by itself, without BEGIN and COMMIT.
 * What is given up: a reply that fails after the statement, and a client or deadline that ends the request while it runs,
 * may leave it committed behind an answer that is no 2xx.
 */
export function singleStatementDriver (options: SingleStatementOptions): SqlDriver {
  return {
    store: 'sql',
    plan (declared: TransactionOptions) {
      const wrong = needBegin.filter((name) => name in declared)
      if (wrong.length > 0) throw new TransactionUsageError(`${wrong.join(', ')} needs a transaction; 'statement' has none`)
    },
    open: async (_plan: unknown, context: OpenContext) => await Promise.resolve(new SingleStatement(options, context)),
    isRetriable
  }
}

class SingleStatement implements SqlTransaction {
  firstFailure: { statement: string, error: unknown } | undefined
  readonly #options: SingleStatementOptions
  readonly #context: OpenContext
  #client: PoolClient | undefined
  #isUsed = false

  constructor (options: SingleStatementOptions, context: OpenContext) {
    this.#options = options
    this.#context = context
  }

  async query<Row extends QueryResultRow> (statement: Statement, values?: unknown[]): Promise<QueryResult<Row>> {
    const text = statementText(statement)
    refuseTransactionControl(text)
    if (this.#isUsed) throw new TransactionUsageError(`${this.#context.label} declares transaction: 'statement' and sent a second statement; declare transaction: true`)
    this.#isUsed = true
    const { pool, unwatched } = this.#options
    const client = await unwatched(() => pool.connectAlive?.() ?? pool.connect())
    this.#client = client
    try {
      return await client.query<Row>(statement, values)
    } catch (error) {
      this.firstFailure = { statement: text, error }
      throw error
    } finally {
      this.#client = undefined
      client.release(client.getTransactionStatus() !== 'I')
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
    await running.then(ignore, ignore)
  }
}

function ignore (): void {}
