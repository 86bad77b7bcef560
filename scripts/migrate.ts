// `npm run db:migrate`: brings both databases to what this version of the service declares. Any number may run at once.
import { MongoClient } from 'mongodb'
import { migrate } from '../drizzle/migrate.ts'
import { readSettings, getPlace } from '../plugins/config.ts'
import { explainBoot } from '../plugins/errors/boot.ts'
import { prepareDatabase } from '../plugins/mongo/prepare.ts'
import { getSqlitePath } from '../drizzle/sqlite-client.ts'
import { tryFile } from '../plugins/sql/sqlite/file.ts'

async function run (): Promise<void> {
  const { DATABASE_URL, MONGODB_URL, MONGODB_DATABASE } = readSettings(process.env, {}, 'given')
  if (DATABASE_URL !== undefined) await migrateSql(DATABASE_URL)
  if (MONGODB_URL !== undefined) await migrateMongo(MONGODB_URL, MONGODB_DATABASE)
}

async function migrateSql (url: string): Promise<void> {
  if (url.startsWith('file:')) await tryFile(getSqlitePath(url))
  const done = await migrate(url)
  console.log(`${getPlace(url)}: ${done.length === 0 ? 'up to date' : done.join(', ')}`)
}

async function migrateMongo (url: string, database: string): Promise<void> {
  const client = new MongoClient(url, { serverSelectionTimeoutMS: 5000, appName: 'migrate' })
  try {
    await prepareDatabase(client.db(database))
    console.log(`${getPlace(url)} ${database}: collections, validators and indexes are up to date`)
  } finally {
    await client.close()
  }
}

await run().catch((error: unknown) => {
  for (const line of explainBoot(error, process.env)) console.error(line)
  process.exitCode = 1
})
