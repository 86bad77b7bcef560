import { setTimeout as sleep } from 'node:timers/promises'
import type { FastifyInstance } from 'fastify'
import { asDatabase, type Database } from '../../drizzle/index.ts'
import { echoOf } from './echo.ts'
import { checkFile, claimFile, fileErrorOf, sqlitePath } from './sqlite-file.ts'
import { SqliteConnection, sqliteCode } from './sqlite-connection.ts'
import { SqliteHandle } from './sqlite-handle.ts'
import { migrateMemory } from './sqlite-migrate.ts'
import { SqlitePool } from './sqlite-pool.ts'

// Another program may hold a file for a moment, a backup for example.
const patience = 2000

/**
 * Opens the SQLite database that `DATABASE_URL` names; closed with the app.
 *
 * @param url `file:…` or `:memory:`
 * @returns its connections, and the autocommit handle
 * @throws SqliteFileError, one line, when the file cannot be used
 */
export async function openSqlite (app: FastifyInstance, url: string): Promise<{ pool: SqlitePool, db: Database }> {
  const { config } = app
  const path = sqlitePath(url)
  const release = path === ':memory:' ? () => {} : await claim(path)
  const pool = new SqlitePool({
    path,
    readers: config.DATABASE_POOL_SIZE,
    timeout: config.DATABASE_POOL_TIMEOUT_MS,
    maxWaiting: config.DATABASE_POOL_MAX_WAITING,
    echo: echoOf(app)
  })
  if (path === ':memory:') await migrateMemory(pool)
  app.addHook('onClose', async function closeSqlite () {
    pool.close()
    release()
  })
  return { pool, db: asDatabase(new SqliteHandle(pool)) }
}

/**
 * An SQLite database in memory with all its tables, in a few milliseconds: for tests, as `buildApp({ overrides: { db } })`.
 *
 * @returns its handle; the database goes with it
 */
export async function memoryDatabase (): Promise<Database> {
  const pool = new SqlitePool({ path: ':memory:', readers: 1, timeout: 30_000, maxWaiting: 2000 })
  await migrateMemory(pool)
  return asDatabase(new SqliteHandle(pool))
}

async function claim (file: string): Promise<() => void> {
  checkFile(file)
  const release = claimFile(file)
  try {
    await tryFile(file)
    return release
  } catch (error) {
    release()
    throw fileErrorOf(file, error)
  }
}

async function tryFile (file: string): Promise<void> {
  const until = performance.now() + patience
  for (;;) {
    try {
      const connection = new SqliteConnection(file)
      connection.query('select 1 from sqlite_master limit 1')
      connection.close()
      return
    } catch (error) {
      if (!sqliteCode(error).startsWith('SQLITE_BUSY') || performance.now() >= until) throw error
      await sleep(50)
    }
  }
}
