import type { Driver, OpenContext } from '../core/driver.ts'
import type { TransactionOptions } from '../options/route-options.ts'
import { applicationNameSql, beginSql, refusedSettings, settingsSql } from './begin.ts'
import type { CheckoutOptions } from './checkout.ts'
import { checkout } from './checkout.ts'
import { ConnectionLostError, TransactionError } from '../errors.ts'
import { isConnectionProblem, isRetriable } from './errors.ts'
import { PostgresTransaction } from './transaction.ts'
import { Patience } from '../core/with-timeout.ts'

/** Times in milliseconds, `retryAfter` in seconds. */
export interface PostgresDriverOptions extends CheckoutOptions {
  /** How long BEGIN may take before its connection counts as dead. */
  beginTimeout: number
  /** How long COMMIT may take before its outcome counts as unknown. */
  commitTimeout: number
  /** Resets the session before its connection goes back to the pool; see `giveBack`. Default false. */
  resetSession?: boolean | undefined
}

/** What begins a transaction, on a server that knows `transaction_timeout`, on an older one, and on either. */
interface PostgresPlan {
  new: string
  old: string
  unknown: string
  mayWrite: boolean
  /** A declared `settings` must give some; nothing may begin without. */
  hasSettings: boolean
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

  plan (options: TransactionOptions & { settings?: unknown }): PostgresPlan {
    return {
      mayWrite: options.accessMode !== 'read only',
      hasSettings: options.settings !== undefined,
      new: beginSql(options, 'new'),
      old: beginSql(options, 'old'),
      unknown: beginSql(options, 'unknown')
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

  async open (plan: PostgresPlan, context: OpenContext): Promise<PostgresTransaction> {
    if (plan.mayWrite) (this.#options.pool as Partial<WritablePool>).assertWritable?.()
    const settings = plan.hasSettings || context.settings !== undefined ? settingsSql(context.settings) : ''
    const message = plan[this.#server] + applicationNameSql(context.label) + settings
    const patience = new Patience(this.#options.checkoutTimeout)
    for (;;) {
      const client = await checkout(this.#options, context, patience)
      const transaction = new PostgresTransaction(client, context, this.#options)
      try {
        await transaction.begin(message, plan.mayWrite)
        return transaction
      } catch (error) {
        if (!isReplaceable(error)) throw settings === '' ? error : refusedSettings(context.label, error)
        if (context.isAborted() || patience.isOver) {
          throw new ConnectionLostError(context.label, this.#options.retryAfter, error)
        }
      }
    }
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

/** A BEGIN that failed because of its connection, not because of what it says. */
function isReplaceable (error: unknown): boolean {
  return isConnectionProblem(error) || (error instanceof Error && error.message.startsWith('BEGIN was not answered'))
}
