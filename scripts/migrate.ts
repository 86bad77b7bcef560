// `npm run db:migrate`: brings both databases to what this version of the service declares. Any number may run at once.
import { MongoClient } from 'mongodb'
import { migrate } from '../drizzle/migrate.ts'
import { readSettings, whereOf } from '../plugins/config.ts'
import { explainBoot } from '../plugins/errors/boot.ts'
import { prepareDatabase } from '../plugins/mongo/prepare.ts'
import { sqlitePath, tryFile } from '../plugins/sql/sqlite-file.ts'
import type { EmbeddedDatabases } from 'dev-databases'

async function run (): Promise<void> {
  const { DATABASE_URL, MONGODB_URL, MONGODB_DATABASE, DATA_DIR } = readSettings(process.env)
  const embedded = DATABASE_URL === undefined || MONGODB_URL === undefined ? await start(DATA_DIR) : undefined
  try {
    const sql = DATABASE_URL ?? embedded?.postgres?.url
    if (sql !== undefined) await migrateSql(sql)
    const { mongodb } = embedded ?? {}
    const mongo = MONGODB_URL ?? (mongodb?.how === 'missing' ? undefined : mongodb?.url)
    if (mongo !== undefined) await migrateMongo(mongo, MONGODB_DATABASE)
  } finally {
    await embedded?.stop()
  }

  async function start (dataDir: string): Promise<EmbeddedDatabases> {
    const { startEmbedded } = await import('dev-databases')
    return await startEmbedded({ dataDir, postgres: DATABASE_URL === undefined, mongodb: MONGODB_URL === undefined, onProgress: console.error })
  }
}

async function migrateSql (url: string): Promise<void> {
  if (url.startsWith('file:')) await tryFile(sqlitePath(url))
  const done = await migrate(url)
  console.log(`${whereOf(url)}: ${done.length === 0 ? 'up to date' : done.join(', ')}`)
}

async function migrateMongo (url: string, database: string): Promise<void> {
  const client = new MongoClient(url, { serverSelectionTimeoutMS: 5000, appName: 'migrate' })
  try {
    await prepareDatabase(client.db(database))
    console.log(`${whereOf(url)} ${database}: collections, validators and indexes are up to date`)
  } finally {
    await client.close()
  }
}

run().catch((error: unknown) => {
  for (const line of explainBoot(error, process.env)) console.error(line)
  process.exitCode = 1
})
