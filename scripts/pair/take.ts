import { MongoClient } from 'mongodb'
import { BackupError } from './errors.ts'
import { meetAtFence, type SqlSource } from './common-fence.ts'
import { makeFolder, writeManifest, type Manifest } from './manifest.ts'
import { dumpMongo } from './mongo.ts'
import { openPostgres } from './postgres-source.ts'
import { openSqlite } from './sqlite.ts'

/** Which stores, by their settings. */
export interface PairUrls {
  databaseUrl: string
  mongoUrl: string
  mongoDatabase: string
}

/** MongoDB keeps the past for five minutes unless it is set otherwise. */
const PAST_IS_GONE = new Set<unknown>([239, 246])

/**
 * Takes both stores at a common fence, while the service runs. The manifest is written last.
 * @param folder new or empty
 * @param say told a line for each part
 * @returns the manifest
 * @throws BackupError or FenceError, one line that says what to do; what lies in the folder is no backup then
 */
export async function takeBackup (
  { databaseUrl, mongoUrl, mongoDatabase }: PairUrls,
  folder: string,
  say: (line: string) => void = () => {}
): Promise<Manifest> {
  makeFolder(folder)
  const begun = new Date()
  const client = new MongoClient(mongoUrl, {
    serverSelectionTimeoutMS: 5000,
    appName: 'backup',
    readPreference: 'primary'
  })
  let sql: SqlSource | undefined
  try {
    await client.connect()
    sql = databaseUrl.startsWith('file:') ? openSqlite(databaseUrl, folder) : await openPostgres(databaseUrl)
    const db = client.db(mongoDatabase)
    const newSession = () => client.startSession({ snapshot: true })
    const { fence: { pair, epoch, counter, at }, session } = await meetAtFence(sql, db, newSession)
    // MongoDB first: its past is kept for minutes, PostgreSQL's as long as the transaction is open.
    const mongodb = await dumpMongo(db, session, folder, say).catch(explainPast)
    await session.endSession()
    const manifest: Manifest = {
      format: 1,
      engine: databaseUrl.startsWith('file:') ? 'sqlite' : 'postgres',
      pair,
      epoch,
      counter,
      begun_at: begun.toISOString(),
      fence_at: at.toISOString(),
      versions: { sql: await sql.version(), mongodb: String((await db.admin().serverInfo())['version']) },
      ...await sql.dump(folder, say),
      mongodb,
      ended_at: new Date().toISOString()
    }
    writeManifest(folder, manifest)
    return manifest
  } finally {
    await Promise.all([sql?.close(), client.close()])
  }
}

function explainPast (error: unknown): never {
  if (!(error instanceof Error && 'code' in error && PAST_IS_GONE.has(error.code))) throw error
  throw new BackupError(
    'MongoDB no longer keeps the moment of this backup: try again, or raise its parameter minSnapshotHistoryWindowInSeconds for the time that a backup takes',
    error
  )
}
