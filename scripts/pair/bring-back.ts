import { randomUUID } from 'node:crypto'
import { MongoClient, type Db } from 'mongodb'
import { MigrationError } from '../../drizzle/journal.ts'
import { listPending } from '../../drizzle/migrate.ts'
import { prepareDatabase } from '../../plugins/mongo/prepare.ts'
import { BackupError } from './errors.ts'
import { checkFile } from './files.ts'
import { readManifest, type Manifest } from './manifest.ts'
import { isMongoEmpty, loadMongo } from './mongo.ts'
import { openTarget, type NewMark } from './targets.ts'
import type { PairUrls } from './take.ts'

export interface RestoreOptions {
  /** Also where a store is not empty: what is in it is gone then. Default false. */
  replace?: boolean
  /** Told a line for each part. */
  say?: (line: string) => void
}

interface FenceDocument {
  _id: 'fence'
  pair: string
  epoch: number
  counter: number
  mends: Date[]
}

/**
 * Brings both stores of a backup back. They become a pair of their own, with an id of its own: tokens of before are
 * confirmed no more, and a store of the pair that was backed up is refused beside one of these. A restore that was
 * interrupted leaves no pair.
 * @param folder of a backup
 * @returns the manifest
 * @throws BackupError or SqliteFileError before anything was changed: no backup, a damaged one, a store that is not
 * empty, a service that runs; MigrationError where this code does not know the tables of the backup. BackupError
 * afterwards where a migration to this version refuses what is in the backup
 */
export async function restoreBackup (
  { databaseUrl, mongoUrl, mongoDatabase }: PairUrls,
  folder: string,
  { replace = false, say = () => {} }: RestoreOptions = {}
): Promise<Manifest> {
  const manifest = readManifest(folder)
  const engine = databaseUrl.startsWith('file:') ? 'sqlite' : 'postgres'
  if (manifest.engine !== engine) {
    throw new BackupError(
      `The backup is of ${manifest.engine}, and DATABASE_URL names ${engine}: name a database of that kind`
    )
  }
  listPending(engine, manifest.migrations)
  for (const part of [...manifest.sql, ...manifest.mongodb]) await checkFile(folder, part)
  const client = new MongoClient(mongoUrl, { serverSelectionTimeoutMS: 5000, appName: 'restore', w: 'majority' })
  const target = await openTarget(databaseUrl, manifest)
  try {
    await client.connect()
    const db = client.db(mongoDatabase)
    if (!replace) await refuseFull(db, target.isEmpty)
    await target.prepare()
    const mark = { pair: randomUUID(), epoch: manifest.epoch + 1, counter: manifest.counter + 1 }
    // Until the end MongoDB belongs to a pair that no SQL database is of: the service refuses what is half restored.
    await setFence(db, { ...mark, pair: `${mark.pair} is not restored yet` })
    await loadMongo(db, folder, manifest.mongodb, say)
    await prepareDatabase(db)
    await target.load(folder, mark, say).catch(explainMigration)
    await setFence(db, mark)
    return manifest
  } finally {
    await Promise.all([target.close(), client.close()])
  }
}

/** An older backup is brought to this version once it is loaded, and a migration may refuse what is in it. */
function explainMigration (error: unknown): never {
  if (!(error instanceof MigrationError)) throw error
  throw new BackupError(
    `The tables of the backup cannot be brought to this version: ${error.message}. Restore it with the version that wrote it, mend there what is named, and back it up again; until then the two stores are not one pair`,
    error
  )
}

async function refuseFull (db: Db, isSqlEmpty: () => Promise<boolean>): Promise<void> {
  const full = [
    ...(await isSqlEmpty() ? [] : ['the SQL database']),
    ...(await isMongoEmpty(db) ? [] : [`the MongoDB database ${db.databaseName}`])
  ]
  if (full.length === 0) return
  throw new BackupError(
    `Not empty: ${full.join(' and ')}. Name empty databases, or say --replace: what is in both is gone then`
  )
}

async function setFence (db: Db, mark: NewMark): Promise<void> {
  await db.collection<FenceDocument>('fence').replaceOne({ _id: 'fence' }, { ...mark, mends: [] }, { upsert: true })
}
