import { existsSync, rmSync } from 'node:fs'
import { copyFile, rename } from 'node:fs/promises'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { toApplied } from '../../drizzle/applied.ts'
import type { Applied } from '../../drizzle/journal.ts'
import { getSqlitePath, openSqliteClient, type SqliteClient } from '../../drizzle/sqlite-client.ts'
import { readState } from '../../plugins/projections/fence/sql-marks.ts'
import type { SqlSource } from './common-fence.ts'
import { BackupError } from './errors.ts'
import { measureFile, sync } from './files.ts'

const TRIES = 100
const FILE = 'sql.db'
const OWN = new Set(['fence', 'change_streams', '__drizzle_migrations'])

/**
 * A backup of an SQLite file. SQLite copies it as a whole, and writers wait until that is done.
 * @param folder where the copy goes
 */
export function openSqlite (url: string, folder: string): SqlSource {
  if (getSqlitePath(url) === ':memory:') {
    throw new BackupError('A database in memory ends with its process: there is nothing to back up')
  }
  if (!existsSync(getSqlitePath(url))) {
    throw new BackupError(`${getSqlitePath(url)} does not exist: correct DATABASE_URL`)
  }
  const holder = openSqliteClient(url)
  const copier = openSqliteClient(url)
  const target = path.join(folder, FILE)
  return {
    hold: () => hold(holder),
    read: () => readState({ query: (text) => holder.execute(text) }, 'sqlite'),
    keep: async () => {
      await copier.execute({ sql: 'vacuum into ?', args: [target] })
    },
    release: async () => {
      await holder.execute('rollback')
    },
    dump: (_folder, say) => describe(target, say),
    version: async () => String((await holder.execute('select sqlite_version() as version')).rows[0]?.['version']),
    close: async () => {
      holder.close()
      copier.close()
    }
  }
}

async function describe (target: string, say: (line: string) => void): ReturnType<SqlSource['dump']> {
  await sync(target)
  const copy = openSqliteClient(`file:${encodeURIComponent(target)}`)
  try {
    const records = await countRows(copy)
    say(`${FILE}: ${records} rows`)
    return {
      sql: [{ name: FILE, file: FILE, records, ...await measureFile(target) }],
      sequences: [],
      migrations: await readApplied(copy)
    }
  } finally {
    copy.close()
  }
}

async function hold (client: SqliteClient): Promise<boolean> {
  for (let attempt = 0; attempt < TRIES; attempt++, await sleep(10)) {
    try {
      await client.execute('begin immediate')
      return true
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && String(error.code).startsWith('SQLITE_BUSY'))) throw error
    }
  }
  return false
}

async function listTables (client: SqliteClient): Promise<string[]> {
  const { rows } = await client.execute(
    "select name from sqlite_master where type = 'table' and name not like 'sqlite%'"
  )
  return rows.map(({ name }) => String(name))
}

async function countRows (client: SqliteClient): Promise<number> {
  let sum = 0
  for (const name of await listTables(client)) {
    sum += Number((await client.execute(`select count(*) as n from "${name.replaceAll('"', '""')}"`)).rows[0]?.['n'])
  }
  return sum
}

async function readApplied (client: SqliteClient): Promise<Applied[]> {
  const { rows } = await client.execute('select hash, created_at from __drizzle_migrations order by created_at')
  return rows.map(toApplied)
}

/** True when no table has rows; what the service writes about itself does not count. */
export async function isSqliteEmpty (url: string): Promise<boolean> {
  if (!existsSync(getSqlitePath(url))) return true
  const client = openSqliteClient(url)
  try {
    for (const name of await listTables(client)) {
      if (OWN.has(name)) continue
      const { rows } = await client.execute(`select 1 from "${name.replaceAll('"', '""')}" limit 1`)
      if (rows.length > 0) return false
    }
    return true
  } finally {
    client.close()
  }
}

/**
 * Puts the file of a backup in the place of the database.
 * @param prepare changes the copy before it takes the place
 */
export async function replaceSqlite (
  url: string,
  folder: string,
  prepare: (copy: SqliteClient) => Promise<void>
): Promise<void> {
  const file = getSqlitePath(url)
  const copy = `${file}-restoring`
  await copyFile(path.join(folder, FILE), copy)
  const client = openSqliteClient(`file:${encodeURIComponent(copy)}`)
  try {
    await prepare(client)
  } finally {
    client.close()
  }
  await sync(copy)
  // A log of the database that was there would be applied to the one that comes.
  for (const rest of ['-wal', '-shm']) rmSync(`${file}${rest}`, { force: true })
  await rename(copy, file)
}
