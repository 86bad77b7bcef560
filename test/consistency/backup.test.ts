// Both stores are taken at one moment while the service runs, and brought back as one pair.
import { appendFileSync, cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { Double, Int32, Long, MongoClient } from 'mongodb'
import t, { type Test } from 'tap'
import type { App } from '../../app.ts'
import { mongoDatabase } from '../../plugins/mongo/index.ts'
import { restoreBackup } from '../../scripts/pair/bring-back.ts'
import { takeBackup, type PairUrls } from '../../scripts/pair/take.ts'
import { readRun } from '../databases/run.ts'
import { newFolder } from '../folder.ts'
import { databases } from '../helper.ts'
import { until } from '../until.ts'
import { buildOn } from './past.ts'

interface Fact {
  kind: 'users' | 'posts'
  id: number | string
  at: number
}
type Engine = 'PostgreSQL' | 'SQLite'

let serial = 0

async function newPair (t: Test, engine: Engine): Promise<PairUrls> {
  const { databaseUrl, mongoDatabase } = await databases(t)
  const file = `file:${newFolder(t)}/app.db`
  return { databaseUrl: engine === 'SQLite' ? file : databaseUrl, mongoUrl: readRun().mongodb, mongoDatabase }
}

function start (t: Test, { databaseUrl, mongoDatabase }: PairUrls) {
  const settings = { DATABASE_URL: databaseUrl, MONGODB_DATABASE: mongoDatabase, SEED: false }
  return buildOn(t, { ...settings, ...(databaseUrl.startsWith('file:') && { NODE_ENV: 'development' as const }) })
}

async function send (app: App, url: string, payload: object, headers = {}): Promise<number | string> {
  const reply = await app.inject({ method: 'POST', url, payload, headers })
  if (reply.statusCode !== 201) throw new Error(`${reply.statusCode} ${reply.body}`)
  return reply.json<{ id: number | string }>().id
}

const newUser = (app: App, headers = {}) =>
  send(app, '/users', { name: 'Ada', email: `b${++serial}@example.com` }, headers)
const newPost = (app: App, author_id: number | string, headers = {}) =>
  send(app, '/posts', { title: `t${++serial}`, content: 'x', category: 'c', author_id }, headers)

/** Writes until told to stop; what was acknowledged, and when. */
async function write (app: App, signal: AbortSignal): Promise<Fact[]> {
  const facts: Fact[] = []
  while (!signal.aborted) {
    const author = await newUser(app)
    facts.push({ kind: 'users', id: author, at: Date.now() })
    facts.push({ kind: 'posts', id: await newPost(app, author), at: Date.now() })
    await app.inject({ method: 'PATCH', url: `/users/${author}`, payload: { name: 'Grace' } })
  }
  return facts
}

async function query<Row> (app: App, text: string): Promise<Row[]> {
  const { rows } = app.sqlite === undefined ? await app.pg.query(text) : await app.sqlite.query(text)
  return rows as Row[]
}

const inSql = async (app: App, table: string) =>
  (await query<{ id: number | string }>(app, `SELECT id FROM ${table} ORDER BY id`)).map(({ id }) => id)
const inMongo = async (app: App, name: string) =>
  (await mongoDatabase(app).collection(name).find({ _deleted: { $ne: true } }).sort({ _id: 1 }).toArray()).map((
    { _id }
  ) => name === 'users' ? Number(_id) : String(_id))

async function isEqual (app: App): Promise<boolean> {
  const same = async (table: string) => String(await inSql(app, table)) === String(await inMongo(app, table))
  return (await query(app, 'SELECT 1 FROM outbox')).length === 0 && await same('users') && await same('posts')
}

const readiness = async (app: App) => (await app.inject('/readyz')).json<{ checks: { sql: string } }>().checks.sql

for (const engine of ['PostgreSQL', 'SQLite'] as const) {
  t.test(`${engine} and MongoDB are taken under writes; what was acknowledged before is there again, in both`, async (t) => {
    const pair = await newPair(t, engine)
    const app = await start(t, pair)
    await newPost(app, await newUser(app, { prefer: 'wait=10' }), { prefer: 'wait=10' })
    await until('the fence has moved', async () => (await query(app, 'SELECT 1 FROM fence WHERE confirmed > 0')).length)
    const stop = new AbortController()
    const writers = Promise.all(Array.from({ length: 3 }, () => write(app, stop.signal)))
    await until('much is written', async () => (await inSql(app, 'users')).length > 30)
    const folder = path.join(newFolder(t), 'backup')
    const manifest = await takeBackup(pair, folder)
    const behind = (await inSql(app, 'users')).length
    await until('writing goes on behind the fence', async () => (await inSql(app, 'users')).length > behind)
    stop.abort()
    const facts = (await writers).flat()
    await app.close()

    const other = await newPair(t, engine)
    await restoreBackup(other, folder)
    const restored = await start(t, other)
    t.equal(await readiness(restored), 'up')
    await until('the copies are equal', () => isEqual(restored))
    const stored = new Set([...await inMongo(restored, 'users'), ...await inMongo(restored, 'posts')])
    const before = facts.filter(({ at }) => at < Date.parse(manifest.fence_at))
    t.ok(before.length > 30, `${before.length} were acknowledged before`)
    t.same(before.filter(({ id }) => !stored.has(id)), [], 'all of them are there')
    const { fence, removedPosts } = restored.projections
    t.match({ repairs: fence.repairs, mends: fence.mends, removedPosts }, { repairs: 0, mends: 0, removedPosts: 0 })
    t.equal(restored.lines.filter((line) => /went back|removed/.test(line)).length, 0, 'nothing is repaired or removed')
    const highest = Math.max(...await inSql(restored, 'users') as number[])
    const next = await newUser(restored, { prefer: 'wait=10' })
    t.ok(Number(next) > highest, 'ids go on')
    await newPost(restored, next, { prefer: 'wait=10' })
    await until('what is new is carried over', () => isEqual(restored))
  })
}

/** A backup of a pair with three users and a document of odd types. */
async function stage (t: Test, engine: Engine = 'PostgreSQL') {
  const pair = await newPair(t, engine)
  const app = await start(t, pair)
  for (let n = 0; n < 3; n++) await newPost(app, await newUser(app, { prefer: 'wait=10' }), { prefer: 'wait=10' })
  await mongoDatabase(app).collection<{ _id: string }>('odd').insertOne({ _id: 'odd', ...odd })
  const folder = path.join(newFolder(t), 'backup')
  await until('the fence has moved', async () => (await query(app, 'SELECT 1 FROM fence WHERE confirmed > 0')).length)
  await takeBackup(pair, folder)
  return { pair, app, folder }
}

const odd = { double: new Double(5), int: new Int32(5), long: Long.fromString('9007199254740993'), text: '\u2028\n🦊' }

t.test('--replace puts a backup in the place of what is there; a token of before is not confirmed', async (t) => {
  const { pair, app, folder } = await stage(t)
  const payload = { name: 'lost', email: 'lost@example.com' }
  const lost = await app.inject({ method: 'POST', url: '/users', payload, headers: { prefer: 'wait=10' } })
  await app.close()
  await t.rejects(restoreBackup(pair, folder), {
    code: 'BACKUP_REFUSED',
    message: /^Not empty: the SQL database and the MongoDB/
  })
  await restoreBackup(pair, folder, { replace: true })
  const again = await start(t, pair)
  t.equal(await readiness(again), 'up')
  const next = await newUser(again, { prefer: 'wait=10' })
  t.equal(next, lost.json<{ id: number }>().id, 'the id of a lost user, in both stores')
  const token = String(lost.headers['consistency-token'])
  t.match(token, /^sql-users-/)
  const read = await again.inject({ url: '/users/summary', headers: { 'consistency-token': token, prefer: 'wait=0' } })
  t.equal(read.headers['consistency-token'], undefined)
  const found = await mongoDatabase(again).collection<{ _id: string }>('odd').findOne({}, { promoteValues: false })
  t.same(found, { _id: 'odd', ...odd }, 'every value has the type that it had')
})

t.test('a restore that ends in the middle leaves no pair', async (t) => {
  for (const engine of ['PostgreSQL', 'SQLite'] as const) {
    const { pair, app, folder } = await stage(t, engine)
    await app.close()
    for (const target of [pair, await newPair(t, engine)]) {
      const say = (line: string) => {
        if (/^users: \d+ documents/.test(line)) throw new Error('the power is gone')
      }
      await t.rejects(restoreBackup(target, folder, { replace: true, say }), /power/)
      const half = await start(t, target)
      t.equal(await readiness(half), 'not one pair', engine)
      await half.close()
      await restoreBackup(target, folder, { replace: true })
      const whole = await start(t, target)
      t.equal(await readiness(whole), 'up')
      await until('the copies are equal', () => isEqual(whole))
      t.equal((await inMongo(whole, 'posts')).length, 3)
      await whole.close()
    }
  }
})

t.test('what cannot be restored is refused before anything is changed', async (t) => {
  const { pair, app, folder } = await stage(t)
  const target = await newPair(t, 'PostgreSQL')
  const refused = (folder: string, message: RegExp, pair = target) =>
    t.rejects(restoreBackup(pair, folder, { replace: true }), { code: 'BACKUP_REFUSED', message })
  const damaged = (change: (copy: string) => void) => {
    const copy = path.join(newFolder(t), 'copy')
    cpSync(folder, copy, { recursive: true })
    change(copy)
    return copy
  }
  const manifest = (copy: string) => path.join(copy, 'manifest.json')
  await refused(folder, /^The service uses the SQL database/, pair)
  await refused(
    damaged((copy) => {
      rmSync(manifest(copy))
    }),
    /has no manifest\.json/
  )
  await refused(
    damaged((copy) => {
      writeFileSync(manifest(copy), '{"format":')
    }),
    /no manifest that this version understands/
  )
  await refused(
    damaged((copy) => {
      const text = readFileSync(manifest(copy), 'utf8')
      writeFileSync(manifest(copy), text.replace(/"epoch": \d+/, '"epoch": 4711'))
    }),
    /does not match its own checksum/
  )
  await refused(
    damaged((copy) => {
      rmSync(path.join(copy, 'posts.bson.gz'))
    }),
    /posts\.bson\.gz is missing/
  )
  await refused(
    damaged((copy) => {
      appendFileSync(path.join(copy, 'sql.users.jsonl.gz'), 'x')
    }),
    /sql\.users\.jsonl\.gz does not match the manifest/
  )
  await refused(folder, /^The backup is of postgres/, await newPair(t, 'SQLite'))
  await t.rejects(takeBackup(pair, folder), { code: 'BACKUP_REFUSED', message: /is not empty: name a new folder/ })
  await t.rejects(takeBackup(target, path.join(newFolder(t), 'x')), { message: /not been together yet/ })
  const client = await new MongoClient(target.mongoUrl).connect()
  t.teardown(() => client.close())
  t.same(await client.db(target.mongoDatabase).listCollections().toArray(), [], 'nothing was changed')
  t.equal(await readiness(app), 'up')
})
