import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { sql } from 'drizzle-orm'
import { readApplied, toApplied } from './applied.ts'
import { getDialect, type Database, type SqliteDatabase } from './index.ts'
import { MigrationError, findPending, readMigrations, toFailure, type Applied } from './journal.ts'
import { migratePostgres } from './online/postgres.ts'
import { refuseWait } from './online/session.ts'
import { openSqliteClient, type SqliteClient } from './sqlite-client.ts'

const FOLDERS = {
  postgres: path.join(import.meta.dirname, 'migrations', 'postgres'),
  sqlite: path.join(import.meta.dirname, 'migrations', 'sqlite')
}
const WAIT_MS = 60_000

/** Where migrations come from and how long to wait for somebody else who is migrating. */
export interface MigrateOptions {
  /** Folder of drizzle-kit. Default: the one of the URL's dialect beside this file. */
  folder?: string
  /** Longest wait for another migrator, and for a lock on a table, in milliseconds. Default: 60,000. */
  waitMs?: number
  /** `when` of the last migration to run: for rows that were written at that state. Default: all run. */
  through?: number
  /** Told a line for each step of a migration that runs beside the service. Default: nobody is. */
  say?: (line: string) => void
}

/**
 * Brings a database up to date. Any number of processes may call it at the same time: one migrates, the others wait for
 * it. Either all pending migrations run or none does, but for the online ones of PostgreSQL (docs/migrations.md).
 * @param url `postgres://…` or `file:…` (for `:memory:` see `migrateSqlite`)
 * @returns names of the migrations that ran, oldest first; empty when there was nothing to do
 * @throws MigrationError when the files and the database do not fit together; the driver's error when it cannot be
 * reached
 */
export async function migrate (url: string, options: MigrateOptions = {}): Promise<string[]> {
  if (/^postgres(ql)?:/.test(url)) {
    const { folder = FOLDERS.postgres, waitMs = WAIT_MS, through = Infinity, say = () => {} } = options
    return await migratePostgres(url, { folder, waitMs, through, say })
  }
  const until = Date.now() + (options.waitMs ?? WAIT_MS)
  for (;;) {
    // A new client for each try: a connection that has met SQLITE_BUSY may refuse its next COMMIT.
    const client = openSqliteClient(url)
    try {
      return await migrateSqlite(client, options)
    } catch (error) {
      if (!isBusy(error)) throw error
      if (Date.now() > until) refuseWait(error)
    } finally {
      client.close()
    }
    await sleep(25)
  }
}

/**
 * `migrate` for a client that is already open; the only way to an in-memory database, which lives in its one connection.
 * @param client a client with one connection, not inside a transaction
 * @returns names of the migrations that ran
 * @throws MigrationError as `migrate`, but SQLITE_BUSY at once when somebody else is writing
 */
export async function migrateSqlite (
  client: SqliteClient,
  { folder = FOLDERS.sqlite }: Pick<MigrateOptions, 'folder'> = {}
): Promise<string[]> {
  const migrations = readMigrations(folder)
  // Off while tables are rebuilt: dropping the old one would delete the rows that refer to it. Cannot change inside a
  // transaction.
  await client.execute('pragma foreign_keys = off')
  const transaction = await client.transaction('write')
  try {
    await transaction.execute(
      'create table if not exists __drizzle_migrations (id integer primary key, hash text not null, created_at numeric)'
    )
    const { rows } = await transaction.execute('select hash, created_at from __drizzle_migrations')
    const pending = findPending(migrations, rows.map(toApplied))
    for (const { tag, when, hash, statements } of pending) {
      for (const statement of statements) {
        await transaction.execute(statement).catch((error: unknown) => {
          throw toFailure(tag, 'nothing was changed', error)
        })
      }
      await transaction.execute({
        sql: 'insert into __drizzle_migrations (hash, created_at) values (?, ?)',
        args: [hash, when]
      })
    }
    const broken = await transaction.execute('pragma foreign_key_check')
    if (broken.rows.length > 0) {
      throw new MigrationError(
        'MIGRATION_FAILED',
        `A migration would leave ${broken.rows.length} rows that refer to nothing: nothing was changed`
      )
    }
    await transaction.commit()
    return pending.map(({ tag }) => tag)
  } finally {
    transaction.close()
    await client.execute('pragma foreign_keys = on')
  }
}

/**
 * What is still to run on a database that has some migrations.
 * @param applied what it has
 * @returns names of the migrations that have not run, oldest first
 * @throws MigrationError when this code does not know one of them
 */
export function listPending (engine: keyof typeof FOLDERS, applied: Applied[]): string[] {
  return findPending(readMigrations(FOLDERS[engine]), applied).map(({ tag }) => tag)
}

/**
 * What `migrate` would still do, for readiness and for a service that must not migrate by itself.
 * @param db an autocommit handle
 * @returns names of the migrations that have not run, oldest first
 * @throws MigrationError when the files and the database do not fit together
 */
export async function pendingMigrations (
  db: Database,
  { folder }: Pick<MigrateOptions, 'folder'> = {}
): Promise<string[]> {
  const { name } = getDialect(db)
  const applied = await (name === 'postgres' ? appliedInPostgres(db) : appliedInSqlite(db))
  return findPending(readMigrations(folder ?? FOLDERS[name]), applied).map(({ tag }) => tag)
}

async function appliedInPostgres (db: Database): Promise<Applied[]> {
  return await readApplied(async (text) => (await db.execute(sql.raw(text))).rows)
}

async function appliedInSqlite (db: Database): Promise<Applied[]> {
  const { all } = db as unknown as SqliteDatabase
  const query = all.bind(db)
  const exists = await query(sql`select 1 from sqlite_master where name = '__drizzle_migrations'`)
  if (exists.length === 0) return []
  return (await query<{ hash: string; created_at: string }>(sql`select hash, created_at from __drizzle_migrations`))
    .map(toApplied)
}

function isBusy (error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'SQLITE_BUSY'
}
