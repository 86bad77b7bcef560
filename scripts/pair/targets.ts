import { readApplied, runOn } from '../../drizzle/applied.ts'
import { migrate } from '../../drizzle/migrate.ts'
import { getSqlitePath } from '../../drizzle/sqlite-client.ts'
import { claimFile } from '../../plugins/sql/sqlite/file.ts'
import { BackupError } from './errors.ts'
import type { Manifest } from './manifest.ts'
import { isPostgresEmpty, loadPostgres } from './postgres-restore.ts'
import { connectPostgres, refuseRunning } from './postgres.ts'
import { isSqliteEmpty, replaceSqlite } from './sqlite.ts'

/** Pair, epoch and count that both stores begin with. */
export interface NewMark {
  pair: string
  epoch: number
  counter: number
}

/** The SQL database that a backup is brought back into; no process of the service uses it. */
export interface Target {
  isEmpty: () => Promise<boolean>
  /** Makes the tables as they were when the backup was taken. */
  prepare: () => Promise<void>
  /** Puts the backup in the place of what is there, all at once; then brings the tables to this version. */
  load: (folder: string, mark: NewMark, say: (line: string) => void) => Promise<void>
  close: () => Promise<void>
}

// Positions in a change stream are of another MongoDB: the posts are copied anew. Who led or repaired is gone.
const FORGET = 'UPDATE change_streams SET token = NULL, leader = NULL, leader_since = NULL, leader_until = NULL'
const MARK = 'UPDATE fence SET pair = $1, epoch = $2, counter = $3, confirmed = $3, mender = NULL, mender_until = NULL'

/**
 * @throws BackupError or SqliteFileError while a process of the service uses the database
 */
export async function openTarget (url: string, manifest: Manifest): Promise<Target> {
  return url.startsWith('file:') ? await openSqliteTarget(url) : await openPostgresTarget(url, manifest)
}

async function openPostgresTarget (url: string, manifest: Manifest): Promise<Target> {
  const client = await connectPostgres(url, 'restore')
  await refuseRunning(client).catch(async (error: unknown) => {
    await client.end()
    throw error
  })
  return {
    isEmpty: () => isPostgresEmpty(client),
    async prepare () {
      const through = manifest.migrations.at(-1)?.when ?? 0
      await migrate(url, { through })
      if ((await readApplied(runOn(client))).at(-1)?.when === through) return
      throw new BackupError(
        'The tables of this database are newer than the backup: restore into a database without tables'
      )
    },
    async load (folder, { pair, epoch, counter }, say) {
      await client.query('BEGIN; SET LOCAL statement_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 0')
      await loadPostgres(client, folder, manifest, say)
      await client.query(FORGET)
      await client.query(MARK, [pair, epoch, counter])
      await client.query('COMMIT')
      await client.query('ANALYZE')
      await migrate(url)
    },
    close: () => client.end()
  }
}

async function openSqliteTarget (url: string): Promise<Target> {
  const file = getSqlitePath(url)
  const release = await claimFile(file)
  return {
    isEmpty: () => isSqliteEmpty(url),
    prepare: async () => {},
    async load (folder, { pair, epoch, counter }, say) {
      await replaceSqlite(url, folder, async (copy) => {
        await copy.execute(FORGET)
        await copy.execute({
          sql: MARK.replaceAll(/\$(\d)/g, '?$1'),
          args: [pair, epoch, counter]
        })
      })
      say(`${file}: replaced`)
      await migrate(url)
    },
    close: async () => {
      release()
    }
  }
}
