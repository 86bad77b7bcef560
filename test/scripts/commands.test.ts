import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { createServer, type AddressInfo } from 'node:net'
import path from 'node:path'
import { MongoClient } from 'mongodb'
import pg from 'pg'
import t, { type Test } from 'tap'
import { readRun } from '../databases/run.ts'
import { databases } from '../helper.ts'

/** Runs a command of the compiled service; resolves to its exit code and what it printed. */
async function run (
  environment: NodeJS.ProcessEnv,
  script: string,
  ...words: string[]
): Promise<{ code: number; out: string; err: string }> {
  const env = {
    PATH: process.env['PATH'],
    HOME: process.env['HOME'],
    NODE_ENV: 'test',
    NODE_OPTIONS: '',
    ...environment
  }
  return await new Promise((resolve) => {
    execFile(
      process.execPath,
      [path.join(readRun().built, 'scripts', script), ...words],
      { env },
      (error, out, err) => {
        resolve({ code: error === null ? 0 : Number(error.code), out, err })
      }
    )
  })
}

async function stores (
  t: Test
): Promise<{ environment: NodeJS.ProcessEnv; sql: pg.Client; mongo: MongoClient; database: string }> {
  const { databaseUrl, mongoUrl, mongoDatabase } = await databases(t)
  const sql = new pg.Client({ connectionString: databaseUrl })
  const mongo = new MongoClient(mongoUrl)
  await Promise.all([sql.connect(), mongo.connect()])
  t.teardown(async () => {
    await Promise.all([sql.end(), mongo.close()])
  })
  return {
    environment: { DATABASE_URL: databaseUrl, MONGODB_URL: mongoUrl, MONGODB_DATABASE: mongoDatabase },
    sql,
    mongo,
    database: mongoDatabase
  }
}

t.test('npm run outbox: lists, replays and discards parked events', async (t) => {
  const { environment, sql } = await stores(t)
  await sql.query(`INSERT INTO outbox (id, topic, key, payload, attempts, parked_at, last_error) VALUES
    (7, 'things', 'a', '{}', 8, now(), 'Error: refused'), (8, 'things', 'b', '{}', 8, now(), 'Error: refused'), (9, 'things', 'c', '{}', 0, NULL, NULL)`)
  const service = createServer().listen(0, '127.0.0.1')
  await once(service, 'listening')
  t.teardown(() => service.close())
  const besideService = { ...environment, ADMIN_PORT: String((service.address() as AddressInfo).port) }
  const [stats, list, wrong] = await Promise.all([
    run(besideService, 'outbox.js'),
    run(environment, 'outbox.js', 'list'),
    run(environment, 'outbox.js', 'replay', 'x')
  ])
  t.match(stats, { code: 0, out: /^things: 1 waiting, the oldest for \d+ ms; 2 parked\n$/ })
  t.match(list, { code: 0, out: /^7 things\/a, parked 20.* after 8 tries: Error: refused\n8 things\/b/ })
  t.match(wrong, { code: 2, err: /npm run outbox -- replay/ })
  t.match(await run(environment, 'outbox.js', 'replay', '7', '9'), { code: 1, out: 'replayed: 7\nnot parked: 9\n' })
  t.match(await run(environment, 'outbox.js', 'discard', '8'), { code: 0, out: 'discarded: 8\n' })
  const { rows } = await sql.query('SELECT id::int, attempts, parked_at, last_error FROM outbox ORDER BY id')
  t.same(rows, [{ id: 7, attempts: 0, parked_at: null, last_error: null }, {
    id: 9,
    attempts: 0,
    parked_at: null,
    last_error: null
  }])
})

t.test('npm run in-doubt: lists what is left, and ends by hand what belongs to another pair', async (t) => {
  const { environment, sql } = await stores(t)
  const gid = `fastify-2p:other:${'0'.repeat(32)}:${'1'.repeat(16)}`
  await sql.query(
    `BEGIN; INSERT INTO outbox (topic, key, payload) VALUES ('things', '1', '{}'); PREPARE TRANSACTION '${gid}'`
  )
  await sql.query('SELECT pg_sleep(2)') // younger ones may be at work
  t.match(await run(environment, 'in-doubt.js'), { code: 0, out: new RegExp(`^${gid} another pair, for \\d+ s\\n$`) })
  t.match(await run(environment, 'in-doubt.js', 'forget', gid), { code: 1, err: /end it by commit or rollback/ })
  t.match(await run(environment, 'in-doubt.js', 'commit'), { code: 2, err: /npm run in-doubt -- commit <gid>/ })
  t.match(await run(environment, 'in-doubt.js', 'commit', gid), { code: 0, out: `${gid}: committed\n` })
  t.match((await sql.query('SELECT topic FROM outbox')).rows, [{ topic: 'things' }])
  t.match(await run(environment, 'in-doubt.js'), { code: 0, out: 'Nothing is in doubt.\n' })
})

t.test('npm run resync: repairs both copies and says what it found', async (t) => {
  const { environment, sql, mongo, database } = await stores(t)
  await sql.query("INSERT INTO users (email, name) VALUES ('ada@example.com', 'Ada')")
  await sql.query('DELETE FROM outbox')
  await sql.query(
    "INSERT INTO posts (id, author_id, title, category, content_length, created_at) VALUES ('000000000000000000000000', 1, 'forged', 'x', 1, now())"
  )
  t.match(await run(environment, 'resync.js'), {
    code: 0,
    out: 'users: repaired 1 missing, 0 different, 0 extra\nposts: repaired 0 missing, 0 different, 1 extra\n'
  })
  t.match(await mongo.db(database).collection('users').find().toArray(), [{ name: 'Ada', email: 'ada@example.com' }])
  const [users, wrong] = await Promise.all([
    run(environment, 'resync.js', 'users'),
    run(environment, 'resync.js', 'orders')
  ])
  t.match(users, { code: 0, out: 'users: equal\n' })
  t.match(wrong, { code: 2, err: /npm run resync -- users/ })
})

t.test('npm run backup and restore: other words than they know are refused with a line that says how', async (t) => {
  for (
    const [script, ...words] of [
      ['backup.js'],
      ['backup.js', 'one', 'two'],
      ['backup.js', 'folder', '--replace'],
      ['restore.js'],
      ['restore.js', 'one', 'two'],
      ['restore.js', 'folder', '--force']
    ] as const
  ) {
    const { code, out, err } = await run({}, script, ...words)
    t.match({ code, out }, { code: 2, out: '' }, `${script} ${words.join(' ')}`)
    t.match(err, /^npm run (backup|restore) -- <folder>[^\n]*\n$/)
  }
  t.match(await run({}, 'restore.js', '/nowhere'), { code: 1, out: '' }, 'anything else that is wrong is 1')
})
