import type { FastifyInstance } from 'fastify'
import { asDatabase, type Database } from '../../../drizzle/index.ts'
import { createEcho } from '../echo.ts'
import { getSqlitePath } from '../../../drizzle/sqlite-client.ts'
import { claimFile, resolveFile } from './file.ts'
import { SqliteHandle } from './handle.ts'
import { migrateMemory } from './migrate.ts'
import { SqliteReadWritePool } from './read-write-pool.ts'

/**
 * Opens the SQLite database that `DATABASE_URL` names; closed with the app.
 *
 * @param url `file:…` or `:memory:`
 * @returns its connections, and the autocommit handle
 * @throws SqliteFileError, one line, when the file cannot be used
 */
export async function openSqlite (
  app: FastifyInstance,
  url: string
): Promise<{ pool: SqliteReadWritePool; db: Database }> {
  const { config } = app
  // Under whatever name, a file has one instance, and SQLite's own files beside it one place.
  const path = resolveFile(getSqlitePath(url))
  const release = path === ':memory:' ? () => {} : await claimFile(path)
  const pool = new SqliteReadWritePool({
    path,
    readers: config.DATABASE_POOL_SIZE,
    timeout: config.DATABASE_POOL_TIMEOUT_MS,
    maxWaiting: config.DATABASE_POOL_MAX_WAITING,
    echo: createEcho(app),
    synchronous: config.DATABASE_SYNCHRONOUS
  })
  if (path === ':memory:') await migrateMemory(pool)
  app.addHook('onClose', async function closeSqlite () {
    pool.close()
    release()
  })
  return { pool, db: asDatabase(new SqliteHandle(pool)) }
}

/**
 * An SQLite database in memory with all its tables, in a few milliseconds: for tests, as `buildApp({ overrides: { db }
 * })`.
 *
 * @returns its handle; the database goes with it
 */
export async function memoryDatabase (): Promise<Database> {
  const pool = new SqliteReadWritePool({ path: ':memory:', readers: 1, timeout: 30_000, maxWaiting: 2000 })
  await migrateMemory(pool)
  return asDatabase(new SqliteHandle(pool))
}
