import { noteDatabaseError } from 'fastify-transaction'
import type Libsql from 'libsql'
import type { QueryConfig, QueryResult, QueryResultRow } from 'pg'
import { loadLibsql } from '../../../drizzle/libsql.ts'
import type { Echo } from '../echo.ts'
import { getFirstWord, toSqliteText } from '../statement-text.ts'
import { toSqlite } from './values.ts'

/** A statement in the forms pg takes, so that one client interface serves both engines. */
export type Statement = string | (QueryConfig & { rowMode?: 'array' })

const CACHED_STATEMENTS = 250
// The driver's own wait would stop the whole process; waiting is done in connection-pool.ts.
const PRAGMAS = 'pragma busy_timeout = 0; pragma foreign_keys = on'

/**
 * When a COMMIT is on the disk: `full` before it is answered, `normal` some commits later, which a power cut can undo.
 */
export type Synchronous = 'normal' | 'full'

export interface ConnectionOptions {
  /** Told of every statement. */
  echo?: Echo | undefined
  /** Default: normal. */
  synchronous?: Synchronous
}

// After these a statement has failed and the connection has not.
const HARMLESS = /^SQLITE_(CONSTRAINT|ERROR|MISMATCH|TOOBIG|RANGE|READONLY|AUTH)/

/** One connection to an SQLite database. Its calls are synchronous and short: SQLite runs inside this process. */
export class SqliteConnection {
  /** True for a database in memory: closing the connection would lose it. */
  readonly isMemory: boolean
  /**
   * Set when an error makes the connection unusable: after SQLITE_BUSY, for example, this driver cannot commit any
   * more.
   */
  isBroken = false
  readonly #native: Libsql.Database
  readonly #echo: Echo | undefined
  readonly #statements = new Map<string, Libsql.Statement>()

  /**
   * @param path a file, or `:memory:`
   * @throws the driver's error when the file is not a database, is locked, …
   */
  constructor (path: string, { echo, synchronous = 'normal' }: ConnectionOptions = {}) {
    this.#echo = echo
    this.isMemory = path === ':memory:'
    this.#native = open(path)
    try {
      this.execute(`${PRAGMAS}; pragma synchronous = ${synchronous}`)
      if (!this.isMemory) this.#useWal(path)
    } catch (error) {
      this.close()
      throw error
    }
  }

  // Asked anything else, a closed database ends the process.
  get isInTransaction (): boolean {
    return this.#native.open && this.#native.inTransaction
  }

  /** Runs one statement. */
  query<Row extends QueryResultRow> (statement: Statement, values: unknown[] = []): QueryResult<Row> {
    const { text, rowMode } = typeof statement === 'string' ? { text: statement, rowMode: undefined } : statement
    return this.#guard(text, () => {
      const parameters = values.map(toSqlite)
      const prepared = this.#prepare(text)
      const command = getFirstWord(text).toUpperCase()
      if (!prepared.reader) return { command, rowCount: prepared.run(parameters).changes, rows: [], oid: 0, fields: [] }
      const rows = prepared.raw(rowMode === 'array').all(parameters) as Row[]
      return { command, rowCount: rows.length, rows, oid: 0, fields: [] }
    })
  }

  /** Runs a script, or a statement that is not worth keeping. */
  execute (text: string): void {
    this.#guard(text, () => this.#native.exec(text))
  }

  /** Begins a transaction. One that writes takes the lock now: a later upgrade could only fail. */
  begin (readOnly: boolean): void {
    this.execute(readOnly ? 'pragma query_only = on; begin' : 'begin immediate')
  }

  /** Ends the transaction; when COMMIT fails it is rolled back. */
  end (how: 'commit' | 'rollback'): void {
    if (!this.#native.open) {
      throw new Error('The database was closed before the transaction had ended; it is rolled back.')
    }
    try {
      this.execute(how)
    } finally {
      if (this.isInTransaction) this.#native.exec('rollback')
      this.#native.exec('pragma query_only = off')
    }
  }

  close (): void {
    if (!this.#native.open) return
    this.#statements.clear()
    // Statements that were never finished keep a closed connection's locks; ROLLBACK does not.
    if (this.#native.inTransaction) this.#native.exec('rollback')
    this.#native.close()
  }

  #prepare (text: string): Libsql.Statement {
    let prepared = this.#statements.get(text)
    if (prepared === undefined) {
      prepared = this.#native.prepare(toSqliteText(text))
      if (this.#statements.size >= CACHED_STATEMENTS) this.#statements.clear()
      this.#statements.set(text, prepared)
    }
    return prepared
  }

  #useWal (path: string): void {
    const [row] = this.query<{ journal_mode: string }>('pragma journal_mode = wal').rows
    if (row?.journal_mode !== 'wal') {
      throw new Error(`The folder of ${path} cannot keep a write-ahead log: put the database on a local disk.`)
    }
  }

  #guard<Result> (text: string, work: () => Result): Result {
    const startedAt = performance.now()
    try {
      return work()
    } catch (error) {
      if (!this.isMemory && !HARMLESS.test(getSqliteCode(error))) this.isBroken = true
      throw noteDatabaseError(error)
    } finally {
      this.#echo?.(text, performance.now() - startedAt)
    }
  }
}

function open (path: string): Libsql.Database {
  try {
    return new (loadLibsql())(path, { timeout: 0 })
  } catch (error) {
    throw noteDatabaseError(error)
  }
}

/** The code of the driver's errors, for example `SQLITE_BUSY`; empty when it is another error. */
export function getSqliteCode (error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' && error.code.startsWith('SQLITE_')
    ? error.code
    : ''
}
