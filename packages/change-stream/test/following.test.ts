// What is carried over while MongoDB is followed.
import Fastify from 'fastify'
import t from 'tap'
import changeStream, {
  clusterTime,
  isClusterTime,
  postgresStore,
  sqliteStore,
  type ChangeStreamOptions,
  type StreamOptions
} from '../src/index.ts'
import { until } from '../../../test/until.ts'
import { appWith, carry, copyAll, follows, onPostgres, getState, type Given, type Thing } from './app.ts'

t.test('PostgreSQL', async (t) => {
  const { pool, client, db, things, store, rows, seen, saved, equals } = await onPostgres(t)

  t.test('the first start copies what is there, then changes follow: insert, update, replace, delete', async (t) => {
    await things.insertMany([{ _id: 1, n: 10 }, { _id: 2, n: 20 }])
    const { app, lines } = await appWith(t, store, things)
    await follows(app)
    t.same(await rows(), [{ id: 1, n: 10 }, { id: 2, n: 20 }])
    t.match(lines.find(({ msg }) => /copied anew/.test(msg)), {
      changeStream: { stream: 'things', reason: 'no position was stored', copied: 2 }
    })
    await things.insertOne({ _id: 3, n: 30 })
    await things.updateOne({ _id: 1 }, { $inc: { n: 1 } })
    await things.replaceOne({ _id: 2 }, { n: 22 })
    await things.deleteOne({ _id: 3 })
    await equals([{ id: 1, n: 11 }, { id: 2, n: 22 }])
    t.same(await seen(), ['insert 3', 'update 1', 'replace 2', 'delete 3'])
    t.match(await saved(), {
      resyncs: 1,
      cluster_time: Date,
      updated_at: Date,
      token: { token: { _data: /^82/ }, through: /^[0-9a-f]{16}$/ }
    })
    await app.close()
    t.equal(getState(app), 'stopped')
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
      t.ok(isClusterTime(time) && await app.changeStream.reached('things', time, 60_000))
      t.ok((await rows()).some(({ id }) => id === n), `${n} is there`)
    }
    const ids = Array.from({ length: 450 }, (_, n) => 1000 + n)
    t.ok(await leader.app.changeStream.reached('things', await write(ids, true), 60_000))
    t.equal((await rows()).length, 470, 'all of a transaction that is larger than a batch')
    t.equal(await leader.app.changeStream.reached('things', 'ffffffff00000000', 80), false, 'a time that never comes')
    t.equal(await leader.app.changeStream.reached('things', 'no time', 80), false)
    await Promise.all([leader.app.close(), other.app.close()])
    t.equal(await leader.app.changeStream.reached('things', await write([5000], false), 80), false, 'nobody follows')
    await pool.query('ALTER TABLE change_streams RENAME TO away')
    t.equal(
      await leader.app.changeStream.reached('things', await write([5001], false), 80),
      false,
      'the table cannot be read'
    )
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
    t.match(app.changeStream.stats(), [{
      state: 'following',
      applied: 0,
      copies: 1,
      position: /^[0-9a-f]{16}$/,
      error: undefined
    }])
    const { lagMs } = app.changeStream.stats()[0] ?? {}
    t.ok(lagMs !== undefined && lagMs < 5000)
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

  t.test('wrong options, unknown streams and late ones are refused with a sentence', async (t) => {
    const register = async (options: object) => {
      await Fastify().register(changeStream, options as ChangeStreamOptions)
    }
    await t.rejects(register({}), { code: 'CHANGE_STREAM_USAGE', message: /store is missing/ })
    await t.rejects(register({ store, batchSize: 1.5 }), {
      message: 'the option batchSize must be a whole number from 1, not 1.5'
    })
    const { app } = await appWith(t, store, things, { follow: false })
    const stream: StreamOptions<Thing> = { collection: () => things, apply: carry, copy: copyAll }
    t.throws(() => {
      app.changeStream.follow('more', stream)
    }, { code: 'CHANGE_STREAM_USAGE', message: /after the app was ready/ })
    await t.rejects(app.changeStream.resync('nothing'), { message: "there is no stream 'nothing'; known are: things" })
    await t.rejects(app.changeStream.reached('nothing', '0', 1), { code: 'CHANGE_STREAM_USAGE' })
    t.same(await app.changeStream.resync('things'), { copied: 0 }, 'resync needs no consumer')
    t.equal(getState(app), 'stopped')
    await app.close()
    const early = Fastify()
    await early.register(changeStream, { store, follow: false })
    early.changeStream.follow('things', stream)
    t.throws(() => {
      early.changeStream.follow('things', stream)
    }, { message: /followed already/ })
    await early.close()
    t.throws(() => postgresStore(pool, { table: 'a b' }), { code: 'CHANGE_STREAM_USAGE' })
    for (const strange of [undefined, null, {}, 'postgres://localhost/app', { connect: () => {} }]) {
      t.throws(() => postgresStore(strange as never), { code: 'CHANGE_STREAM_USAGE', message: /needs a pg\.Pool/ })
      t.throws(() => sqliteStore(strange as never), { code: 'CHANGE_STREAM_USAGE', message: /needs a function/ })
    }
  })
})
