// A backup that an older version took: its tables are brought to this version, or a sentence says why not.
import { cpSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { MongoClient } from 'mongodb'
import pg from 'pg'
import t, { type Test } from 'tap'
import { migrate } from '../../drizzle/migrate.ts'
import { openSqliteClient } from '../../drizzle/sqlite-client.ts'
import { restoreBackup } from '../../scripts/pair/bring-back.ts'
import { takeBackup, type PairUrls } from '../../scripts/pair/take.ts'
import { readRun } from '../databases/run.ts'
import { newFolder } from '../folder.ts'
import { freshPostgres } from '../fresh.ts'
import { databases } from '../helper.ts'
import { until } from '../until.ts'
import { buildOn } from './past.ts'

type Engine = 'postgres' | 'sqlite'

/** The migrations up to the one that made the fence. */
function olderMigrations (t: Test, engine: Engine): string {
  const folder = newFolder(t)
  cpSync(path.join(import.meta.dirname, '..', '..', 'drizzle', 'migrations', engine), folder, { recursive: true })
  const journal = path.join(folder, 'meta', '_journal.json')
  const { entries, ...rest } = JSON.parse(readFileSync(journal, 'utf8')) as { entries: Array<{ tag: string }> }
  const kept = entries.filter(({ tag }) => tag <= '0002_fence')
  t.ok(kept.length < entries.length)
  writeFileSync(journal, JSON.stringify({ ...rest, entries: kept }))
  return folder
}

async function execute (url: string, text: string): Promise<void> {
  if (url.startsWith('file:')) {
    const client = openSqliteClient(url)
    await client.execute(text)
    client.close()
    return
  }
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  await client.query(text).finally(() => client.end())
}

/** A pair of an older version with users in SQL and one post, and its backup. */
async function older (t: Test, engine: Engine, emails: string[]): Promise<string> {
  const { mongoDatabase } = await databases(t)
  const databaseUrl = engine === 'sqlite' ? `file:${newFolder(t)}/app.db` : (await freshPostgres(t)).url
  await migrate(databaseUrl, { folder: olderMigrations(t, engine) })
  for (const email of emails) await execute(databaseUrl, `INSERT INTO users (email, name) VALUES ('${email}', 'Ada')`)
  const mark = { pair: 'of-before', epoch: 1, counter: 1 }
  await execute(databaseUrl, "INSERT INTO fence (id, pair, epoch, counter, confirmed) VALUES (1, 'of-before', 1, 1, 1)")
  const client = await new MongoClient(readRun().mongodb, { w: 'majority' }).connect()
  const db = client.db(mongoDatabase)
  await db.collection<{ _id: string; mends: Date[] }>('fence').insertOne({ _id: 'fence', ...mark, mends: [] })
  const now = new Date()
  await db.collection('posts').insertOne({
    title: 'kept',
    content: 'x',
    category: 'c',
    author_id: 1,
    created_at: now,
    updated_at: now
  })
  await client.close()
  const folder = path.join(newFolder(t), 'backup')
  await takeBackup({ databaseUrl, mongoUrl: readRun().mongodb, mongoDatabase }, folder)
  return folder
}

async function target (t: Test, engine: Engine): Promise<PairUrls> {
  const { mongoDatabase } = await databases(t)
  const databaseUrl = engine === 'sqlite' ? `file:${newFolder(t)}/app.db` : (await freshPostgres(t)).url
  return { databaseUrl, mongoUrl: readRun().mongodb, mongoDatabase }
}

for (const engine of ['postgres', 'sqlite'] as const) {
  t.test(`${engine}: an older backup is brought to this version`, async (t) => {
    const folder = await older(t, engine, ['Ada@example.com', 'grace@example.com'])
    const pair = await target(t, engine)
    await restoreBackup(pair, folder)
    const settings = { DATABASE_URL: pair.databaseUrl, MONGODB_DATABASE: pair.mongoDatabase, SEED: false }
    const app = await buildOn(t, settings)
    await until('it is ready', async () => (await app.inject('/readyz')).statusCode === 200)
    t.match(
      (await app.inject('/users?email=ada@example.com')).json(),
      [{ email: 'Ada@example.com' }],
      'as of this version'
    )
    await until('the post is copied', async () => {
      const { body } = await app.inject('/users?limit=1')
      return body.includes('kept')
    }, 60_000)
    const payload = { name: 'New', email: 'new@example.com' }
    t.match(await app.inject({ method: 'POST', url: '/users', payload }), { statusCode: 201 })
  })

  t.test(`${engine}: what this version refuses to take over is said, and nobody serves it`, async (t) => {
    const folder = await older(t, engine, ['Ada@example.com', 'ada@EXAMPLE.com'])
    const pair = await target(t, engine)
    await t.rejects(restoreBackup(pair, folder), {
      code: 'BACKUP_REFUSED',
      message:
        /^The tables of the backup cannot be brought to this version: Migration 0003_email_case failed.*Restore it with the version that wrote it/
    })
    const app = await buildOn(t, { DATABASE_URL: pair.databaseUrl, MONGODB_DATABASE: pair.mongoDatabase, SEED: false })
    t.equal((await app.inject('/readyz')).json<{ checks: { sql: string } }>().checks.sql, 'not one pair')
    t.equal((await app.inject('/users')).statusCode, 503)
  })
}
