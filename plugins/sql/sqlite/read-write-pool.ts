import type { QueryResult, QueryResultRow } from 'pg'
import { SqliteConnection, type ConnectionOptions, type Statement } from './connection.ts'
import { SqliteConnectionPool, type PoolLimits } from './connection-pool.ts'
import { isRead } from '../statement-text.ts'

/** How an SQLite database is opened. */
export interface SqliteOptions extends PoolLimits, ConnectionOptions {
  /** A file, or `:memory:`. */
  path: string
  /** Connections that may read at a time. A database in memory has one connection for everything. */
  readers: number
}

/** What a transaction needs to know when it begins. */
export interface BeginOptions {
  readOnly: boolean
  /** True once nobody waits for the transaction any more. */
  isAborted: () => boolean
  /** True: the guard is not asked. For the work that finds out what the guard says. */
  isUnguarded?: boolean
}

/**
 * The connections of an SQLite database: one that writes and several that read, or a single one in memory. Writers wait
 * for each other in order; a reader never waits for the writer.
 */
export class SqliteReadWritePool {
  /**
   * Asked before each statement and transaction why it may not take a connection. In development: because it belongs to
   * a transaction.
   */
  refuse: () => Error | undefined = () => undefined
  /** Asked before each statement and transaction. Throws why the database must not be used; undefined: it may be. */
  guard: (() => Promise<void> | undefined) | undefined
  readonly #writes: SqliteConnectionPool
  readonly #reads: SqliteConnectionPool

  constructor ({ path, readers, echo, synchronous = 'normal', ...limits }: SqliteOptions) {
    const open = () => new SqliteConnection(path, { echo, synchronous })
    this.#writes = new SqliteConnectionPool(open, 1, limits)
    this.#reads = path === ':memory:' ? this.#writes : new SqliteConnectionPool(open, readers, limits)
  }

  /** Open, idle and awaited connections of both kinds; the same numbers twice for a database in memory. */
  get counts (): Record<'writes' | 'reads', SqliteConnectionPool['counts']> {
    return { writes: this.#writes.counts, reads: this.#reads.counts }
  }

  /** Runs one statement by itself, beside the writer when it only reads. */
  async query<Row extends QueryResultRow> (statement: Statement, values?: unknown[]): Promise<QueryResult<Row>> {
    this.#assertAllowed()
    const isAsked = this.guard?.()
    if (isAsked !== undefined) await isAsked
    const pool = isRead(typeof statement === 'string' ? statement : statement.text) ? this.#reads : this.#writes
    const { connection, result } = await pool.take((taken) => taken.query<Row>(statement, values))
    pool.give(connection)
    return result
  }

  /** Begins a transaction, which holds its connection until it ends. */
  async begin ({ readOnly, isAborted, isUnguarded = false }: BeginOptions): Promise<SqliteSession> {
    this.#assertAllowed()
    const isAsked = isUnguarded ? undefined : this.guard?.()
    if (isAsked !== undefined) await isAsked
    const pool = readOnly ? this.#reads : this.#writes
    const { connection } = await pool.take((taken) => {
      taken.begin(readOnly)
    }, isAborted)
    return new SqliteSession(pool, connection)
  }

  /** Closes every connection. */
  close (): void {
    this.#reads.close()
    this.#writes.close()
  }

  #assertAllowed (): void {
    const refusal = this.refuse()
    if (refusal !== undefined) throw refusal
  }
}

/** A begun transaction and its connection. */
export class SqliteSession {
  readonly #pool: SqliteConnectionPool
  readonly #connection: SqliteConnection

  constructor (pool: SqliteConnectionPool, connection: SqliteConnection) {
    this.#pool = pool
    this.#connection = connection
  }

  async query<Row extends QueryResultRow> (statement: Statement, values?: unknown[]): Promise<QueryResult<Row>> {
    return this.#connection.query<Row>(statement, values)
  }

  /**
   * Commits or rolls back, and gives the connection back in every case, also when SQLite has rolled back by itself, as
   * it does on a full disk; then it throws. A COMMIT that fails is rolled back.
   */
  async end (how: 'commit' | 'rollback'): Promise<void> {
    try {
      this.#connection.end(how)
    } finally {
      this.#pool.give(this.#connection)
    }
  }
}
