import { spawn } from 'node:child_process'
import { once } from 'node:events'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import Fastify, { type FastifyInstance } from 'fastify'
import { MongoServerError, type ChangeStreamDocument, type Collection } from 'mongodb'
import t, { type Test } from 'tap'
import changeStream, {
  changeStreamSql, clusterTime, isClusterTime, postgresStore, sqliteStore,
  type ChangeStreamOptions, type CopySource, type Sql, type StreamOptions, type StreamStore
} from '../../plugins/change-stream/index.ts'
import { freshMongo, freshPostgres, freshSqlite, until } from '../stores.ts'

interface Thing { _id: number, n: number, blob?: string }
interface Line { level: number, msg: string, changeStream?: Record<string, unknown> }
type Given = Partial<ChangeStreamOptions> & Partial<Pick<StreamOptions<Thing>, 'apply' | 'copy' | 'pipeline'>>

const TABLES = `${changeStreamSql('postgres')}
  CREATE TABLE things (id integer PRIMARY KEY, n integer NOT NULL);
  CREATE TABLE seen (what text NOT NULL);`

/** Keeps `things` as in MongoDB, and counts every change it carries out: the count must not be idempotent. */
async function carry (tx: Sql, changes: Array<ChangeStreamDocument<Thing>>): Promise<void> {
  for (const change of changes) {
    if (change.operationType === 'drop') await tx.query('DELETE FROM things')
    if (!('documentKey' in change)) continue
    const { _id } = change.documentKey
    await tx.query('INSERT INTO seen (what) VALUES ($1)', [`${change.operationType} ${String(_id)}`])
    const doc = 'fullDocument' in change ? change.fullDocument : undefined
    if (change.operationType === 'delete') await tx.query('DELETE FROM things WHERE id = $1', [_id])
    else if (doc) await tx.query('INSERT INTO things (id, n) VALUES ($1, $2) ON CONFLICT (id) DO UPDATE SET n = excluded.n', [_id, doc.n])
  }
}

async function copyAll (tx: Sql, { collection, session }: CopySource<Thing>): Promise<Record<string, number>> {
  await tx.query('DELETE FROM things')
  const documents = await collection.find({}, { session }).toArray()
  for (const { _id, n } of documents) await tx.query('INSERT INTO things (id, n) VALUES ($1, $2)', [_id, n])
  return { copied: documents.length }
}

async function appWith (t: Test, store: StreamStore, collection: Collection<Thing>, given: Given = {}): Promise<{ app: FastifyInstance, lines: Line[] }> {
  const { apply = carry, copy = copyAll, pipeline, ...options } = given
  const lines: Line[] = []
  const app = Fastify({ logger: { level: 'info', stream: { write: (line: string) => { lines.push(JSON.parse(line) as Line) } } } })
  await app.register(changeStream, { store, awaitTime: 50, ...options })
  app.changeStream.follow<Thing>('things', { collection: () => collection, apply, copy, ...(pipeline && { pipeline }) })
  await app.ready()
  t.teardown(() => app.close())
  return { app, lines }
}

const stateOf = (app: FastifyInstance) => app.changeStream.stats()[0]?.state
const follows = (app: FastifyInstance) => until('it follows', () => stateOf(app) === 'following')

t.test('PostgreSQL', async (t) => {
  const { pool, url } = await freshPostgres(t)
  const { db, client, url: mongoUrl } = await freshMongo(t)
  const things = db.collection<Thing>('things')
  const store = postgresStore(pool)
  const rows = async () => (await pool.query<{ id: number, n: number }>('SELECT id, n FROM things ORDER BY id')).rows
  const seen = async () => (await pool.query<{ what: string }>('SELECT what FROM seen')).rows.map(({ what }) => what)
  const saved = async () => (await pool.query("SELECT * FROM change_streams WHERE stream = 'things'")).rows[0]
  const equals = (expected: Array<{ id: number, n: number }>) => until(`SQL is ${JSON.stringify(expected)}`, async () => JSON.stringify(await rows()) === JSON.stringify(expected))
  t.beforeEach(async () => {
    await things.drop().catch(() => {})
    await db.createCollection('things')
    await pool.query(`DROP TABLE IF EXISTS things, seen, change_streams; ${TABLES}`)
  })
  t.afterEach(async () => {
    await until('every connection is back in the pool', () => pool.totalCount === pool.idleCount && pool.waitingCount === 0)
    await until('no lock is left', async () => (await pool.query("SELECT FROM pg_locks WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())")).rowCount === 0)
  })

  t.test('the first start copies what is there, then changes follow: insert, update, replace, delete', async (t) => {
    await things.insertMany([{ _id: 1, n: 10 }, { _id: 2, n: 20 }])
    const { app, lines } = await appWith(t, store, things)
    await follows(app)
    t.same(await rows(), [{ id: 1, n: 10 }, { id: 2, n: 20 }])
    t.match(lines.find(({ msg }) => /copied anew/.test(msg)), { changeStream: { stream: 'things', reason: 'no position was stored', copied: 2 } })
    await things.insertOne({ _id: 3, n: 30 })
    await things.updateOne({ _id: 1 }, { $inc: { n: 1 } })
    await things.replaceOne({ _id: 2 }, { n: 22 })
    await things.deleteOne({ _id: 3 })
    await equals([{ id: 1, n: 11 }, { id: 2, n: 22 }])
    t.same(await seen(), ['insert 3', 'update 1', 'replace 2', 'delete 3'])
    t.match(await saved(), { resyncs: 1, cluster_time: Date, updated_at: Date, token: { token: { _data: /^82/ }, through: /^[0-9a-f]{16}$/ } })
    await app.close()
    t.equal(stateOf(app), 'stopped')
  })

  t.test('a restart goes on where it stopped: nothing lost, nothing twice', async (t) => {
    for (let round = 0; round < 3; round++) {
      const { app } = await appWith(t, store, things)
      await follows(app)
      await things.insertOne({ _id: round * 2, n: 0 })
      await until('carried over', async () => (await seen()).includes(`insert ${round * 2}`))
      await app.close()
      await things.insertOne({ _id: round * 2 + 1, n: 0 })
    }
    const { app } = await appWith(t, store, things)
    await until('caught up', async () => (await rows()).length === 6)
    t.same(await seen(), [0, 1, 2, 3, 4, 5].map((id) => `insert ${id}`))
    t.equal((await saved()).resyncs, 1)
    await app.close()
  })

  t.test('effect and position are one transaction: a batch that fails halfway leaves neither', async (t) => {
    let isBroken = true
    const { app, lines } = await appWith(t, store, things, {
      saveInterval: 60_000,
      apply: async (tx, changes) => {
        await carry(tx, changes)
        if (isBroken) throw new TypeError('halfway through {secret}')
      }
    })
    await follows(app)
    const { token } = await saved()
    await things.insertOne({ _id: 1, n: 1 })
    await until('it backs off', () => stateOf(app) === 'backing off')
    t.match(app.changeStream.stats(), [{ stream: 'things', error: 'TypeError', lagMs: Number }])
    t.same(await seen(), [])
    t.same((await saved()).token, token)
    isBroken = false
    await equals([{ id: 1, n: 1 }])
    t.same(await seen(), ['insert 1'])
    await follows(app)
    t.same(lines.filter(({ level, msg }) => level >= 30 && /interrupted|goes on/.test(msg)).map(({ msg }) => msg), ['a change stream is interrupted and will go on by itself', 'a change stream goes on'])
    t.notMatch(JSON.stringify(lines), 'secret')
    await app.close()
  })

  t.test('a process killed between effect and COMMIT: the next one carries the change out once', async (t) => {
    const first = await appWith(t, store, things)
    await follows(first.app)
    await first.app.close()
    await things.insertMany([{ _id: 1, n: 1 }, { _id: 2, n: 2 }])
    const child = spawn(process.execPath, ['--import', 'tsx', path.join(import.meta.dirname, 'change-stream-dier.ts'), url, mongoUrl, db.databaseName], { stdio: ['ignore', 'ignore', 'inherit'] })
    t.same(await once(child, 'exit'), [null, 'SIGKILL'])
    const { app } = await appWith(t, store, things)
    await equals([{ id: 1, n: 1 }, { id: 2, n: 2 }])
    t.same(await seen(), ['insert 1', 'insert 2'])
    await app.close()
  })

  t.test('of two processes one follows; when its lock session dies the other goes on, nothing twice', async (t) => {
    const one = await appWith(t, store, things)
    await follows(one.app)
    const two = await appWith(t, store, things)
    await things.insertOne({ _id: 1, n: 1 })
    await equals([{ id: 1, n: 1 }])
    t.equal(stateOf(two.app), 'waiting to lead')
    const { rowCount } = await pool.query("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())")
    t.equal(rowCount, 1)
    await things.insertOne({ _id: 2, n: 2 })
    await equals([{ id: 1, n: 1 }, { id: 2, n: 2 }])
    await until('somebody follows again', () => [one, two].filter(({ app }) => stateOf(app) === 'following').length === 1)
    const leader = [one, two].find(({ app }) => stateOf(app) === 'following')
    await leader?.app.close()
    await things.insertOne({ _id: 3, n: 3 })
    await equals([{ id: 1, n: 1 }, { id: 2, n: 2 }, { id: 3, n: 3 }])
    t.same(await seen(), ['insert 1', 'insert 2', 'insert 3'])
    await Promise.all([one.app.close(), two.app.close()])
  })

  t.test('an old leader that does not know that it is one is fenced off', async (t) => {
    const unlocked: StreamStore = { ...store, lead: async () => ({ lost: new AbortController().signal, resign: async () => {} }) }
    const apps = await Promise.all([appWith(t, unlocked, things), appWith(t, unlocked, things)])
    await Promise.all(apps.map(({ app }) => follows(app)))
    for (let id = 0; id < 30; id++) await things.insertOne({ _id: id, n: id })
    await until('all carried over', async () => (await rows()).length === 30)
    const list = await seen()
    t.equal(new Set(list).size, list.length, 'both followed, yet nothing was carried out twice')
    t.equal(list.length, 30)
    await Promise.all(apps.map(({ app }) => app.close()))
  })

  t.test('a position older than the history: one full copy, one line in the log, no crash', async (t) => {
    const first = await appWith(t, store, things)
    await follows(first.app)
    await first.app.close()
    await things.insertOne({ _id: 7, n: 7 })
    await pool.query('INSERT INTO things VALUES (99, 99)')
    // The oplog of a new replica set counts as complete for ever, so the server is made to say it.
    let refusals = 1
    const forgetful = new Proxy(things, {
      get: (target, name) => name === 'watch' && refusals-- > 0
        ? () => ({ tryNext: async () => { throw Object.assign(new MongoServerError({ message: 'the resume point may no longer be in the oplog' }), { code: 286 }) }, close: async () => {} })
        : Reflect.get(target, name)
    })
    const { app, lines } = await appWith(t, store, forgetful)
    await equals([{ id: 7, n: 7 }])
    await things.insertOne({ _id: 8, n: 8 })
    await equals([{ id: 7, n: 7 }, { id: 8, n: 8 }])
    t.match(lines.filter(({ level }) => level > 30), [{ msg: /copied anew/, changeStream: { reason: 'MongoServerError 286', copied: 1 } }])
    t.equal((await saved()).resyncs, 2)
    await app.close()
  })

  t.test('a collection that is dropped and made again', async (t) => {
    const { app } = await appWith(t, store, things)
    await follows(app)
    await things.insertOne({ _id: 1, n: 1 })
    await equals([{ id: 1, n: 1 }])
    await things.drop()
    await equals([])
    await things.insertOne({ _id: 2, n: 2 })
    await equals([{ id: 2, n: 2 }])
    t.equal((await saved()).resyncs, 1, 'without a copy')
    await app.close()
  })

  t.test('a change nobody can carry out holds the stream there; those before it get through; curing or resync frees it', async (t) => {
    let isCured = false
    const apply: Given['apply'] = async (tx, changes) => {
      if (!isCured && changes.some((change) => 'documentKey' in change && change.documentKey._id === 3)) throw new RangeError('three')
      await carry(tx, changes)
    }
    const before = await appWith(t, store, things)
    await follows(before.app)
    await before.app.close()
    await things.insertMany([1, 2, 3, 4].map((n) => ({ _id: n, n })))
    const { app } = await appWith(t, store, things, { apply })
    await equals([{ id: 1, n: 1 }, { id: 2, n: 2 }])
    await until('it backs off', () => stateOf(app) === 'backing off')
    t.same(await app.changeStream.resync('things'), { copied: 4 })
    await things.insertOne({ _id: 5, n: 5 })
    await equals([1, 2, 3, 4, 5].map((n) => ({ id: n, n })))
    await things.updateOne({ _id: 3 }, { $inc: { n: 1 } })
    await until('it backs off again', () => stateOf(app) === 'backing off')
    isCured = true
    await equals([1, 2, 4, 4, 5].map((n, at) => ({ id: at + 1, n })))
    await app.close()
  })

  t.test('a database session killed during a batch: carried out once, the process lives', async (t) => {
    let kills = 1
    const { app } = await appWith(t, store, things, {
      apply: async (tx, changes) => {
        await carry(tx, changes)
        if (kills-- > 0) await pool.query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND state = 'idle in transaction'")
      }
    })
    await follows(app)
    await things.insertOne({ _id: 1, n: 1 })
    await equals([{ id: 1, n: 1 }])
    t.same(await seen(), ['insert 1'])
    await app.close()
  })

  t.test('reached: everything up to a cluster time is in SQL, here and in other processes', async (t) => {
    const leader = await appWith(t, store, things)
    await follows(leader.app)
    const other = await appWith(t, store, things)
    const write = async (ids: number[], inTransaction: boolean) => {
      const session = client.startSession()
      if (inTransaction) session.startTransaction()
      await things.insertMany(ids.map((_id) => ({ _id, n: 0 })), { session })
      if (inTransaction) await session.commitTransaction()
      const time = session.operationTime
      await session.endSession()
      return clusterTime(time as NonNullable<typeof time>)
    }
    for (let n = 0; n < 20; n++) {
      const time = await write([n], false)
      const app = n % 2 === 0 ? leader.app : other.app
      t.ok(isClusterTime(time) && await app.changeStream.reached('things', time, 5000))
      t.ok((await rows()).some(({ id }) => id === n), `${n} is there`)
    }
    const ids = Array.from({ length: 450 }, (_, n) => 1000 + n)
    t.ok(await leader.app.changeStream.reached('things', await write(ids, true), 5000))
    t.equal((await rows()).length, 470, 'all of a transaction that is larger than a batch')
    t.equal(await leader.app.changeStream.reached('things', 'ffffffff00000000', 80), false, 'a time that never comes')
    t.equal(await leader.app.changeStream.reached('things', 'no time', 80), false)
    await Promise.all([leader.app.close(), other.app.close()])
    t.equal(await leader.app.changeStream.reached('things', await write([5000], false), 80), false, 'nobody follows')
    await pool.query('ALTER TABLE change_streams RENAME TO away')
    t.equal(await leader.app.changeStream.reached('things', await write([5001], false), 80), false, 'the table cannot be read')
    await pool.query('ALTER TABLE away RENAME TO change_streams')
  })

  t.test('a quiet collection: its position goes on with the rest of MongoDB', async (t) => {
    const { app } = await appWith(t, store, things, { saveInterval: 50 })
    await follows(app)
    const { token } = await saved()
    await until('the position moved', async () => {
      await db.collection('others').insertOne({})
      return (await saved()).token.through > token.through
    })
    t.same(await seen(), [])
    t.equal((await saved()).resyncs, 1)
    t.match(app.changeStream.stats(), [{ state: 'following', applied: 0, copies: 1, position: /^[0-9a-f]{16}$/, error: undefined }])
    const { lagMs } = app.changeStream.stats()[0] ?? {}
    t.ok(lagMs !== undefined && lagMs < 5000)
    await app.close()
  })

  t.test('resync repairs what was edited by hand, beside a running consumer that loses nothing', async (t) => {
    const { app } = await appWith(t, store, things)
    await follows(app)
    await things.insertMany([{ _id: 1, n: 1 }, { _id: 2, n: 2 }])
    await equals([{ id: 1, n: 1 }, { id: 2, n: 2 }])
    await pool.query('UPDATE things SET n = 100 WHERE id = 1; DELETE FROM things WHERE id = 2; INSERT INTO things VALUES (3, 3)')
    const writing = (async () => { for (let _id = 10; _id < 40; _id++) await things.insertOne({ _id, n: _id }) })()
    await app.changeStream.resync('things')
    await writing
    await equals([{ id: 1, n: 1 }, { id: 2, n: 2 }, ...Array.from({ length: 30 }, (_, n) => ({ id: 10 + n, n: 10 + n }))])
    await follows(app)
    await app.close()
  })

  t.test('a pipeline leaves out what is not needed', async (t) => {
    let blob: unknown = 'unseen'
    const apply: Given['apply'] = async (tx, changes) => {
      for (const change of changes) if (change.operationType === 'insert') blob = change.fullDocument.blob
      await carry(tx, changes)
    }
    const { app } = await appWith(t, store, things, { apply, pipeline: [{ $unset: 'fullDocument.blob' }] })
    await follows(app)
    await things.insertOne({ _id: 1, n: 1, blob: 'large' })
    await equals([{ id: 1, n: 1 }])
    t.equal(blob, undefined)
    await app.close()
  })

  t.test('close finishes the running batch, and does not wait for one that hangs', async (t) => {
    let begun = 0
    const slow = await appWith(t, store, things, { apply: async (tx, changes) => { begun++; await sleep(150); await carry(tx, changes) } })
    await follows(slow.app)
    await things.insertOne({ _id: 1, n: 1 })
    await until('it runs', () => begun === 1)
    await slow.app.close()
    t.same(await rows(), [{ id: 1, n: 1 }])
    const release = new AbortController()
    const hang = () => new Promise<void>((_resolve, reject) => {
      begun++
      release.signal.addEventListener('abort', () => { reject(new Error('released')) })
    })
    const hanging = await appWith(t, store, things, { stopTimeout: 100, apply: hang })
    await follows(hanging.app)
    await things.insertOne({ _id: 2, n: 2 })
    await until('it hangs', () => begun === 2)
    await hanging.app.close()
    t.same(await rows(), [{ id: 1, n: 1 }])
    release.abort()
  })

  t.test('wrong options, unknown streams and late ones are refused with a sentence', async (t) => {
    const register = async (options: object) => { await Fastify().register(changeStream, options as ChangeStreamOptions) }
    await t.rejects(register({}), { code: 'CHANGE_STREAM_USAGE', message: /store is missing/ })
    await t.rejects(register({ store, batchSize: 1.5 }), { message: 'the option batchSize must be a whole number from 1, not 1.5' })
    const { app } = await appWith(t, store, things, { follow: false })
    const stream: StreamOptions<Thing> = { collection: () => things, apply: carry, copy: copyAll }
    t.throws(() => { app.changeStream.follow('more', stream) }, { code: 'CHANGE_STREAM_USAGE', message: /after the app was ready/ })
    await t.rejects(app.changeStream.resync('nothing'), { message: "there is no stream 'nothing'; known are: things" })
    await t.rejects(app.changeStream.reached('nothing', '0', 1), { code: 'CHANGE_STREAM_USAGE' })
    t.same(await app.changeStream.resync('things'), { copied: 0 }, 'resync needs no consumer')
    t.equal(stateOf(app), 'stopped')
    await app.close()
    const early = Fastify()
    await early.register(changeStream, { store, follow: false })
    early.changeStream.follow('things', stream)
    t.throws(() => { early.changeStream.follow('things', stream) }, { message: /followed already/ })
    await early.close()
    t.throws(() => postgresStore(pool, { table: 'a b' }), { code: 'CHANGE_STREAM_USAGE' })
  })
})

t.test('SQLite', async (t) => {
  const { db } = await freshMongo(t)
  const things = db.collection<Thing>('things')
  const { client, transaction } = await freshSqlite(t, `${changeStreamSql('sqlite')} CREATE TABLE things (id integer PRIMARY KEY, n integer); CREATE TABLE seen (what text)`)
  const read = async (sql: string) => (await client.execute(sql)).rows.map((row) => ({ ...row }))
  const store = sqliteStore(transaction)
  await things.insertOne({ _id: 1, n: 1 })
  let fails = 1
  const apply: Given['apply'] = async (tx, changes) => {
    await carry(tx, changes)
    if (fails-- > 0) throw new Error('once')
  }
  const first = await appWith(t, store, things, { apply, saveInterval: 20 })
  await follows(first.app)
  t.same(await read('SELECT id, n FROM things'), [{ id: 1, n: 1 }])
  await things.insertOne({ _id: 2, n: 2 })
  await until('carried over', async () => (await read('SELECT * FROM things')).length === 2)
  t.same(await read('SELECT what FROM seen'), [{ what: 'insert 2' }])
  await first.app.close()
  await things.insertOne({ _id: 3, n: 3 })
  const second = await appWith(t, store, things, { saveInterval: 20 })
  await until('goes on', async () => (await read('SELECT * FROM things')).length === 3)
  await db.collection('others').insertOne({})
  t.match(await read('SELECT * FROM change_streams'), [{ stream: 'things', resyncs: 1, token: /_data/, cluster_time: /^20..-/, updated_at: /^20..-/ }])
  await client.execute('DELETE FROM things')
  t.same(await second.app.changeStream.resync('things'), { copied: 3 })
  t.equal((await read('SELECT * FROM things')).length, 3)
  await second.app.close()
})

