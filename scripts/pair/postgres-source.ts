import type pg from 'pg'
import { readApplied, runOn } from '../../drizzle/applied.ts'
import { copiedTable } from '../../plugins/projections/fence/copied-table.ts'
import { readState } from '../../plugins/projections/fence/sql-marks.ts'
import type { SqlSource } from './common-fence.ts'
import { BackupError } from './errors.ts'
import { connectPostgres, dumpPostgres, readSequences } from './postgres.ts'

const HOLD_MS = 500
// What MongoDB is told about, and how far.
const HELD = [...(copiedTable === undefined ? [] : [copiedTable.table]), 'outbox', 'fence']

/** A backup of a PostgreSQL database: one connection holds, the other one reads. */
export async function openPostgres (url: string): Promise<SqlSource> {
  const holder = await connectPostgres(url, 'backup')
  const reader = await connectPostgres(url, 'backup').catch(async (error: unknown) => {
    await holder.end()
    throw error
  })
  return {
    hold: () => holdPostgres(holder),
    async read () {
      // A second try begins a second snapshot.
      await reader.query('ROLLBACK')
      await reader.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY')
      await reader.query('SET LOCAL statement_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 0')
      return await readState(reader, 'postgres')
    },
    keep: async () => {},
    release: async () => {
      await holder.query('ROLLBACK')
    },
    dump: async (folder, say) => ({
      migrations: await readApplied(runOn(reader)),
      sequences: await readSequences(reader),
      sql: await dumpPostgres(reader, folder, say)
    }),
    version: async () =>
      (await holder.query<{ server_version: string }>('SHOW server_version')).rows[0]?.server_version ?? '',
    close: async () => {
      await Promise.all([holder.end(), reader.end()])
    }
  }
}

async function holdPostgres (holder: pg.Client): Promise<boolean> {
  await holder.query(`BEGIN; SET LOCAL lock_timeout = ${HOLD_MS}`)
  try {
    await holder.query(`LOCK TABLE ${HELD.join(', ')} IN SHARE MODE`)
    return true
  } catch (error) {
    await holder.query('ROLLBACK')
    const code = error instanceof Error && 'code' in error ? error.code : undefined
    if (code === '55P03' || code === '40P01') return false
    if (code === '42P01') {
      throw new BackupError('The SQL database has no tables yet: start the service on it, then back up')
    }
    throw error
  }
}
