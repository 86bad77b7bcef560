import type pg from 'pg'
import { readApplied, runOn } from '../applied.ts'
import { findPending, MigrationError, readMigrations, toFailure, type Migration } from '../journal.ts'
import { connect, inTransaction, lockTables, takeTurn, untilUnlocked } from './session.ts'
import { runRepeatable, toSteps } from './steps.ts'

/** How PostgreSQL is migrated. */
export interface RunOptions {
  folder: string
  /** Longest wait for another migrator, and for a lock of one step, in milliseconds. */
  waitMs: number
  /** `when` of the last migration to run. */
  through: number
  /** Told a line for each step of an online migration. */
  say: (line: string) => void
}

interface Session {
  client: pg.Client
  /** Holds the turn; when it is lost, somebody else may be migrating. */
  holder: pg.Client
  options: RunOptions
}

const JOURNAL = `CREATE SCHEMA IF NOT EXISTS drizzle;
  CREATE TABLE IF NOT EXISTS drizzle.__drizzle_migrations (id serial PRIMARY KEY, hash text NOT NULL, created_at bigint);
  CREATE TABLE IF NOT EXISTS drizzle.__online_steps (created_at bigint PRIMARY KEY, hash text NOT NULL, done integer NOT NULL)`

/**
 * Brings a PostgreSQL database up to date, one process at a time. Ordinary migrations that follow each other run
 * together or not at all; an online one runs step by step beside the service, and a later run goes on where it stopped.
 * @returns names of the migrations that ran, oldest first
 */
export async function migratePostgres (url: string, options: RunOptions): Promise<string[]> {
  const migrations = readMigrations(options.folder)
  const holder = await connect(url)
  const client = await connect(url).catch(async (error: unknown) => {
    await holder.end()
    throw error
  })
  try {
    await takeTurn(holder, options.waitMs)
    const pending = findPending(migrations, await readApplied(runOn(client))).filter(({ when }) =>
      when <= options.through
    )
    const session = { client, holder, options }
    for (const group of toGroups(pending)) await (group.isOnline ? runOnline : runTogether)(session, group.migrations)
    return pending.map(({ tag }) => tag)
  } finally {
    await Promise.all([client.end(), holder.end()])
  }
}

/** Ordinary migrations that follow each other, and each online one by itself. */
function toGroups (pending: Migration[]): Array<{ isOnline: boolean; migrations: Migration[] }> {
  const groups: Array<{ isOnline: boolean; migrations: Migration[] }> = []
  for (const migration of pending) {
    const last = groups.at(-1)
    if (last === undefined || migration.isOnline || last.isOnline) {
      groups.push({ isOnline: migration.isOnline, migrations: [migration] })
    } else last.migrations.push(migration)
  }
  return groups
}

async function runTogether ({ client, options }: Session, migrations: Migration[]): Promise<void> {
  await untilUnlocked(options.waitMs, (attempt) =>
    inTransaction(client, async () => {
      await client.query(JOURNAL)
      for (const migration of migrations) {
        for (const statement of migration.statements) {
          await client.query(statement).catch(failed(migration, 'nothing was changed'))
        }
        await remember(client, migration)
      }
    }, attempt))
}

async function runOnline ({ client, holder, options }: Session, migrations: Migration[]): Promise<void> {
  for (const migration of migrations) {
    const steps = toSteps(migration)
    await inTransaction(client, () => client.query(JOURNAL))
    for (let at = await readDone(client, migration); at < steps.length; at++) {
      await holder.query('SELECT 1')
      const step = steps[at]
      if (step === undefined) continue
      options.say(`${migration.tag}: step ${at + 1} of ${steps.length}`)
      const failedHere = failed(migration, `steps 1 to ${at} stay done, the next run goes on behind them`)
      if (step.kind === 'transaction') {
        await untilUnlocked(options.waitMs, (attempt) =>
          inTransaction(client, async () => {
            await lockTables(client, step.locks, attempt)
            await client.query(step.text)
            await noteDone(client, migration, at + 1)
          }, attempt)).catch(failedHere)
      } else {
        await runRepeatable(client, step, options.waitMs).catch(failedHere)
        await inTransaction(client, () => noteDone(client, migration, at + 1))
      }
    }
    await inTransaction(client, () => remember(client, migration))
  }
}

async function readDone (client: pg.Client, { tag, when, hash }: Migration): Promise<number> {
  const { rows: [row] } = await client.query<{ hash: string; done: number }>(
    'SELECT hash, done FROM drizzle.__online_steps WHERE created_at = $1',
    [when]
  )
  if (row !== undefined && row.hash !== hash) {
    throw new MigrationError(
      'MIGRATION_EDITED',
      `Migration ${tag} was edited after ${row.done} of its steps had run: restore the file, let it finish, and put the change into a new migration`
    )
  }
  return row?.done ?? 0
}

async function noteDone (client: pg.Client, { when, hash }: Migration, done: number): Promise<void> {
  await client.query(
    `INSERT INTO drizzle.__online_steps (created_at, hash, done) VALUES ($1, $2, $3)
     ON CONFLICT (created_at) DO UPDATE SET done = excluded.done`,
    [when, hash, done]
  )
}

async function remember (client: pg.Client, { when, hash }: Migration): Promise<void> {
  await client.query('INSERT INTO drizzle.__drizzle_migrations (hash, created_at) VALUES ($1, $2)', [hash, when])
  await client.query('DELETE FROM drizzle.__online_steps WHERE created_at = $1', [when])
}

// What is locked is tried again, and says so itself in the end.
function failed ({ tag }: Migration, state: string): (error: unknown) => never {
  return (error) => {
    const { code } = error as { code?: unknown }
    if (code === '55P03' || code === '40P01' || code === 'MIGRATION_BLOCKED') throw error
    throw toFailure(tag, state, error)
  }
}
