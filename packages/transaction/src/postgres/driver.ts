import type { Driver, OpenContext } from '../core/driver.ts'
import type { TransactionOptions } from '../options/route-options.ts'
import { applicationNameSql, beginStatements, refusedSettings, settingsStatements } from './begin.ts'
import type { CheckoutOptions } from './checkout.ts'
import { checkout } from './checkout.ts'
import { ConnectionLostError, TransactionError } from '../errors.ts'
import { isConnectionProblem, isRetriable, sqlState } from './errors.ts'
import { PostgresTransaction } from './transaction.ts'
import { Patience } from '../core/with-timeout.ts'

/** Times in milliseconds, `retryAfter` in seconds. */
export interface PostgresDriverOptions extends CheckoutOptions {
  /** How long BEGIN may take before its connection counts as dead. */
  beginTimeout: number
  /** BEGIN travels with the first statement where pg can pipeline. */
  pipelineBegin: boolean
  /** How long COMMIT may take before its outcome counts as unknown. */
  commitTimeout: number
  /** Resets the session before its connection goes back to the pool; see `giveBack`. Default false. */
  resetSession?: boolean | undefined
}

/** What begins a transaction, on a server that knows `transaction_timeout`, on an older one, and on either. */
interface PostgresPlan {
  new: string[]
  old: string[]
  unknown: string[]
  mayWrite: boolean
  /** A declared `settings` must give some; nothing may begin without. */
  hasSettings: boolean
  /** Cursors and query streams take no part in a pipeline. */
  mayPipeline: boolean
}

/**
 * A PostgreSQL pool as a transaction driver. BEGIN is the ping: nothing was done yet, so a dead connection is simply
 * replaced.
 */
export class PostgresDriver implements Driver<PostgresPlan, PostgresTransaction> {
  readonly store = 'sql'
  readonly isRetriable = isRetriable
  readonly #options: PostgresDriverOptions
  #server: 'new' | 'old' | 'unknown' = 'unknown'

  constructor (options: PostgresDriverOptions) {
    this.#options = options
  }

  /** Transactions of the same pool must not wait for each other's connections. */
  get pool (): object {
    return this.#options.pool
  }

  plan (options: TransactionOptions & { settings?: unknown; stream?: boolean }): PostgresPlan {
    return {
      mayWrite: options.accessMode !== 'read only',
      hasSettings: options.settings !== undefined,
      mayPipeline: this.#options.pipelineBegin && options.stream !== true,
      new: beginStatements(options, 'new'),
      old: beginStatements(options, 'old'),
      unknown: beginStatements(options, 'unknown')
    }
  }

  /**
   * Asks the server for its version; false when it is older than `transaction_timeout` (17). Of a server that is away
   * nothing is known.
   */
  async knowsTransactionTimeout (): Promise<boolean> {
    try {
      const { rows } = await this.#options.pool.query<{ server_version_num: string }>('show server_version_num')
      this.#server = Number(rows[0]?.server_version_num) < 170000 ? 'old' : 'new'
    } catch (error) {
      if (!isAway(error)) throw error
    }
    return this.#server !== 'old'
  }

  /** Begins, or leaves that to the first statement, which then travels with BEGIN. */
  async open (plan: PostgresPlan, context: OpenContext): Promise<PostgresTransaction> {
    if (plan.mayWrite) (this.#options.pool as Partial<WritablePool>).assertWritable?.()
    const settings = plan.hasSettings || context.settings !== undefined ? settingsStatements(context.settings) : []
    const patience = new Patience(this.#options.checkoutTimeout)
    const client = await checkout(this.#options, context, patience)
    const transaction = new PostgresTransaction(client, context, this.#options, {
      planned: plan[this.#server],
      own: [applicationNameSql(context.label), ...settings],
      mayWrite: plan.mayWrite,
      replace: async (error) => {
        if (!isReplaceable(error)) throw settings.length === 0 ? error : refusedSettings(context.label, error)
        if (context.isAborted() || patience.isOver) {
          throw new ConnectionLostError(context.label, this.#options.retryAfter, error)
        }
        return await checkout(this.#options, context, patience)
      }
    })
    // pg before 8.23 and its native client have no pipeline.
    if (!plan.mayPipeline || typeof (client as Partial<typeof client>).pipeline !== 'boolean') await transaction.begin()
    return transaction
  }
}

/** A pool that knows by itself when transactions that write have no prospect, and throws what the client is told. */
interface WritablePool {
  assertWritable: () => void
}

/** Nothing answers, or not in time; pools of others say so in words of their own. */
function isAway (error: unknown): boolean {
  return isConnectionProblem(error) || (error instanceof TransactionError && error.statusCode === 503) ||
    (error instanceof Error && /\btimeout\b/.test(error.message))
}

/**
 * A BEGIN that failed because of its connection, not because of what it says. A session that has lost its named
 * statements (26000, after DEALLOCATE or behind a pooler) is such a connection.
 */
function isReplaceable (error: unknown): boolean {
  return isConnectionProblem(error) || sqlState(error) === '26000' ||
    (error instanceof Error && error.message.startsWith('BEGIN was not answered'))
}
