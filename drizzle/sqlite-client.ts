import path from 'node:path'
import { fileURLToPath } from 'node:url'
import type Libsql from 'libsql'
import { loadLibsql } from './libsql.ts'

type Statement = string | { sql: string; args: Array<string | number> }
type Rows = Promise<{ rows: Array<Record<string, unknown>> }>

/** What migrating needs of an SQLite client with one connection. */
export interface SqliteClient {
  execute: (statement: Statement) => Rows
  transaction: (
    mode: 'write'
  ) => Promise<{ execute: (statement: Statement) => Rows; commit: () => Promise<void>; close: () => void }>
}

/** A database file the service cannot work with. The message is one line: what is wrong, what to do. */
export class SqliteFileError extends Error {
  readonly code = 'SQLITE_FILE'

  constructor (message: string, cause?: unknown) {
    super(`DATABASE_URL: ${message}`, cause === undefined ? undefined : { cause })
    this.name = 'SqliteFileError'
  }
}

/**
 * The file a `file:` URL names, or `:memory:`.
 *
 * @throws SqliteFileError when it names none
 */
export function getSqlitePath (url: string): string {
  if (url === ':memory:' || url === 'file::memory:') return ':memory:'
  const [location = ''] = url.split(/[?#]/)
  try {
    const file = location.startsWith('file://')
      ? fileURLToPath(location)
      : decodeURIComponent(location.slice('file:'.length))
    if (file !== '') return path.resolve(file)
  } catch { /* said below */ }
  throw new SqliteFileError(`${url} names no file: write file:app.db, file:/var/lib/app.db or :memory:`)
}

/**
 * Opens a database beside the service, to migrate it or to look into it. Statements fail at once while somebody else
 * writes.
 *
 * @param url `file:…` or `:memory:`
 * @returns a client of one connection; close it
 */
export function openSqliteClient (url: string): SqliteClient & { close: () => void } {
  const database = new (loadLibsql())(getSqlitePath(url), { timeout: 0 })
  const execute = async (statement: Statement) => run(database, statement)
  return {
    execute,
    async transaction () {
      database.exec('begin immediate')
      return {
        execute,
        commit: async () => {
          database.exec('commit')
        },
        close: () => {
          if (database.inTransaction) database.exec('rollback')
        }
      }
    },
    close: () => {
      database.close()
    }
  }
}

function run (database: Libsql.Database, statement: Statement): { rows: Array<Record<string, unknown>> } {
  const { sql, args } = typeof statement === 'string' ? { sql: statement, args: [] } : statement
  const prepared = database.prepare(sql)
  if (prepared.reader) return { rows: prepared.all(args) as Array<Record<string, unknown>> }
  prepared.run(args)
  return { rows: [] }
}
