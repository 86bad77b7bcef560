import type { QueryResult, QueryResultRow } from 'pg'
import type { OpenContext } from './core/driver.ts'
import type { RouteTransactionOptions } from './options/route-options.ts'
import type { SqlDriver, SqlTransaction, Statement } from './core/sql.ts'
import { OutcomeUnknownError, TransactionAbortedError, TransactionUsageError } from './errors.ts'
import { statementText } from './sql-text/statement-text.ts'
import { noteDatabaseError } from './core/origin.ts'
import { outsideTransaction } from './core/outside-queries.ts'

/** A transaction that has begun on a connection of its own. */
export interface SqliteSession {
  query: <Row extends QueryResultRow>(statement: Statement, values?: unknown[]) => Promise<QueryResult<Row>>
  /** Ends it and gives the connection back in every case; a COMMIT that fails must be rolled back. */
  end: (how: 'commit' | 'rollback') => Promise<void>
}

/**
 * What the driver needs of an SQLite database: whoever gives it decides about connections, queueing and SQLITE_BUSY.
 */
export interface SqliteConnections {
  /**
   * Begins a transaction, IMMEDIATE unless it is read only, when the turn comes.
   * `isAborted` turns true when nobody waits for it any more.
   */
  begin: (options: { readOnly: boolean; isAborted: () => boolean }) => Promise<SqliteSession>
}

interface SqlitePlan {
  readOnly: boolean
}

/** Options that mean something to PostgreSQL and nothing to SQLite, and what to do about them. */
const impossible: ReadonlyArray<[keyof RouteTransactionOptions, string]> = [
  ['statementTimeout', 'SQLite cannot stop a statement'],
  ['lockTimeout', 'SQLite waits for its one lock before the transaction begins; deadline ends that wait'],
  ['idleInTransactionTimeout', 'SQLite has no sessions to end; use deadline'],
  ['transactionTimeout', 'SQLite has no such bound; use deadline'],
  ['settings', 'SQLite has no settings, roles or row-level security'],
  ['stream', 'SQLite has no cursors here']
]

/**
 * SQLite as a transaction store.
 *
 * @param connections one writer and any readers; see `SqliteConnections`
 * @example
 * await app.register(transaction, { sql: sqliteDriver(connections), db: { autocommit: db, bind } })
 */
export function sqliteDriver (connections: SqliteConnections): SqlDriver {
  return {
    store: 'sql',
    pool: connections,
    plan: planSqlite,
    async open (plan, context) {
      const { readOnly } = plan as SqlitePlan
      const session = await outsideTransaction(() => connections.begin({ readOnly, isAborted: context.isAborted }))
        .catch(
          rethrow
        )
      return new SqliteTransaction(session, context)
    },
    // A transaction that writes holds the only lock from its beginning: there is nobody to conflict with.
    isRetriable: () => false
  }
}

function planSqlite (options: RouteTransactionOptions): SqlitePlan {
  const mistakes = impossible.filter(([name]) =>
    options[name] !== undefined && options[name] !== false && options[name] !== 0
  )
    .map(([name, reason]) => `${name}: ${reason}`)
  const { isolationLevel, accessMode } = options
  if (isolationLevel !== undefined && isolationLevel !== 'serializable') {
    mistakes.push(`isolationLevel: SQLite is always serializable, never ${isolationLevel}`)
  }
  if (mistakes.length > 0) throw new TransactionUsageError(mistakes.join('; '))
  return { readOnly: accessMode === 'read only' }
}

/**
 * An SQLite transaction that behaves as PostgreSQL's: a failed statement outside a savepoint leaves nothing to commit.
 */
class SqliteTransaction implements SqlTransaction {
  firstFailure: { statement: string; error: unknown } | undefined
  readonly #session: SqliteSession
  readonly #context: OpenContext
  #isAborted = false
  #isEnded = false

  constructor (session: SqliteSession, context: OpenContext) {
    this.#session = session
    this.#context = context
  }

  async query<Row extends QueryResultRow> (statement: Statement, values?: unknown[]): Promise<QueryResult<Row>> {
    const text = statementText(statement)
    const isRescue = /^\s*rollback\b/i.test(text)
    if (this.#isAborted && !isRescue) throw this.#aborted()
    try {
      const result = await this.#session.query<Row>(statement, values)
      if (isRescue) this.#isAborted = false
      return result
    } catch (error) {
      this.#isAborted = true
      this.firstFailure ??= { statement: text, error }
      throw noteDatabaseError(error)
    }
  }

  async commit (): Promise<void> {
    this.#isEnded = true
    if (this.#isAborted) {
      await this.#session.end('rollback').catch(() => {})
      throw this.#aborted()
    }
    try {
      await this.#session.end('commit')
    } catch (error) {
      throw isDiskFault(error) ? new OutcomeUnknownError(this.#context.label, error) : noteDatabaseError(error)
    }
  }

  async rollback (): Promise<void> {
    if (this.#isEnded) return
    this.#isEnded = true
    await this.#session.end('rollback').catch(() => {})
  }

  #aborted (): TransactionAbortedError {
    return new TransactionAbortedError(
      this.#context.label,
      this.firstFailure?.statement ?? '',
      this.firstFailure?.error
    )
  }
}

function rethrow (error: unknown): never {
  throw noteDatabaseError(error)
}

/** The disk may hold the commit although writing it failed. */
function isDiskFault (error: unknown): boolean {
  return error instanceof Error && 'code' in error && /^SQLITE_(IOERR|CORRUPT)/.test(String(error.code))
}
