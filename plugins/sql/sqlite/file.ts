import { accessSync, constants, existsSync, realpathSync, rmSync, statSync } from 'node:fs'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { loadLibsql } from '../../../drizzle/libsql.ts'
import { SqliteFileError } from '../../../drizzle/sqlite-client.ts'
import { SqliteConnection, getSqliteCode } from './connection.ts'

// Another program may hold a file for a moment, a backup for example.
const PATIENCE_MS = 2000

/**
 * Makes sure that a file can be read and written as an SQLite database. One that does not exist yet is created.
 *
 * @throws SqliteFileError, one line, when it cannot; nothing is changed then
 */
export async function tryFile (file: string): Promise<void> {
  checkPlace(file)
  for (const until = performance.now() + PATIENCE_MS;; await sleep(50)) {
    try {
      const connection = new SqliteConnection(file)
      connection.query('select 1 from sqlite_master limit 1')
      connection.close()
      return
    } catch (error) {
      if (!getSqliteCode(error).startsWith('SQLITE_BUSY') || performance.now() >= until) throw toFileError(file, error)
    }
  }
}

function checkPlace (file: string): void {
  const folder = path.dirname(file)
  if (!existsSync(folder)) throw new SqliteFileError(`the folder ${folder} does not exist: create it`)
  if (!statSync(folder).isDirectory()) throw new SqliteFileError(`${folder} is not a folder`)
  if (!isWritable(folder)) {
    throw new SqliteFileError(
      `the folder ${folder} cannot be written, and SQLite keeps its log beside the database: change its permissions, or use another folder`
    )
  }
  if (!existsSync(file)) return
  if (!statSync(file).isFile()) throw new SqliteFileError(`${file} is not a file`)
  if (!isWritable(file)) {
    throw new SqliteFileError(`${file} is read-only for this user: change its permissions, or use another file`)
  }
}

function isWritable (location: string): boolean {
  try {
    accessSync(location, constants.R_OK | constants.W_OK)
    return true
  } catch {
    return false
  }
}

const ADVICE: Record<string, string> = {
  SQLITE_NOTADB: 'is not an SQLite database, and was left as it is: name another file',
  SQLITE_CORRUPT: 'is damaged: restore it from a backup, or rescue what can be read with `sqlite3 … .recover`',
  SQLITE_FULL: 'cannot grow, the disk is full: make room',
  SQLITE_BUSY: 'is locked by another program: stop it, or wait until it is done',
  SQLITE_READONLY: 'is read-only: change its permissions, or use another file',
  SQLITE_IOERR: 'cannot be read or written, the disk reports an error',
  SQLITE_CANTOPEN: 'cannot be opened: check the permissions of the file and its folder'
}

function toFileError (file: string, error: unknown): SqliteFileError {
  const code = getSqliteCode(error).split('_').slice(0, 2).join('_')
  const reason = ADVICE[code] ?? `cannot be opened (${error instanceof Error ? error.message : String(error)})`
  return new SqliteFileError(`${file} ${reason}`, error)
}

/**
 * The file that a path leads to, through symbolic links.
 *
 * @param file that may not exist yet
 */
export function resolveFile (file: string): string {
  if (file === ':memory:') return file
  if (existsSync(file)) return realpathSync(file)
  const folder = path.dirname(file)
  return existsSync(folder) ? path.join(realpathSync(folder), path.basename(file)) : file
}

/**
 * Tries a file and marks it as this service's, so that a second instance on it is refused. The mark is a lock of the
 * operating system: a killed process leaves none behind.
 *
 * @returns a function that takes the mark away
 * @throws SqliteFileError when another instance has it, or as `tryFile`
 */
export async function claimFile (file: string): Promise<() => void> {
  checkPlace(file)
  const mark = `${file}-instance`
  const lock = new (loadLibsql())(mark, { timeout: 0 })
  function release (): void {
    rmSync(mark, { force: true })
    lock.close()
  }
  try {
    lock.exec('pragma journal_mode = memory; begin exclusive')
  } catch (error) {
    lock.close()
    if (!getSqliteCode(error).startsWith('SQLITE_BUSY')) throw toFileError(mark, error)
    throw new SqliteFileError(
      `${file} is in use by another instance of this service: stop it, or use PostgreSQL, which several instances can share`
    )
  }
  try {
    await tryFile(file)
    return release
  } catch (error) {
    release()
    throw error
  }
}
