// `npm run db:preflight`: what stands in the way of the migrations, the rules and the validators of this version. Changes nothing.
import { MongoClient } from 'mongodb'
import { readApplied, runOn } from '../drizzle/applied.ts'
import { listPending } from '../drizzle/migrate.ts'
import { findObstacles } from '../drizzle/online/obstacles.ts'
import { findOffences, type Offence } from '../drizzle/preflight.ts'
import { getSqlitePath, openSqliteClient } from '../drizzle/sqlite-client.ts'
import { getPlace, readSettings } from '../plugins/config.ts'
import { explainBoot } from '../plugins/errors/boot.ts'
import { findDocumentOffences } from '../plugins/mongo/preflight.ts'
import { tryFile } from '../plugins/sql/sqlite/file.ts'
import { connectPostgres } from './pair/postgres.ts'

/** The migration after which no column is exchanged any more. */
const EXCHANGE = '0004_bigint_ids'

async function run (): Promise<void> {
  const { DATABASE_URL, MONGODB_URL, MONGODB_DATABASE } = readSettings(process.env, {}, 'given')
  const offences: Offence[] = []
  if (DATABASE_URL !== undefined && DATABASE_URL !== ':memory:') offences.push(...await lookAtSql(DATABASE_URL))
  if (MONGODB_URL !== undefined) offences.push(...await lookAtMongo(MONGODB_URL, MONGODB_DATABASE))
  for (const { where, rule, count, examples, repair } of offences) {
    const more = count > examples.length ? ', …' : ''
    console.log(`${where}: ${count} against ${rule} (${examples.join(', ')}${more}): ${repair}`)
  }
  if (offences.length === 0) console.log('Nothing stands in the way.')
  else process.exitCode = 1
}

async function lookAtSql (url: string): Promise<Offence[]> {
  if (!url.startsWith('file:')) return await lookAtPostgres(url)
  await tryFile(getSqlitePath(url))
  const client = openSqliteClient(url)
  try {
    return await findOffences(async (text) => (await client.execute(text)).rows, 'sqlite')
  } finally {
    client.close()
  }
}

async function lookAtPostgres (url: string): Promise<Offence[]> {
  const client = await connectPostgres(url, 'preflight')
  try {
    const query = runOn(client)
    const pending = listPending('postgres', await readApplied(query))
    console.log(
      `${getPlace(url)}: ${pending.length === 0 ? 'migrations are up to date' : `pending ${pending.join(', ')}`}`
    )
    return [...await findObstacles(query, pending.includes(EXCHANGE)), ...await findOffences(query, 'postgres')]
  } finally {
    await client.end()
  }
}

async function lookAtMongo (url: string, database: string): Promise<Offence[]> {
  const client = new MongoClient(url, { serverSelectionTimeoutMS: 5000, appName: 'preflight' })
  try {
    return await findDocumentOffences(client.db(database))
  } finally {
    await client.close()
  }
}

await run().catch((error: unknown) => {
  for (const line of explainBoot(error, process.env)) console.error(line)
  process.exitCode = 1
})
