import Fastify from 'fastify'
import type { Test } from 'tap'
import { doubleClient, doubleDriver } from '../../src/double.ts'
import transaction, { mapError, outsideTransaction, type RouteTransactionOptions } from '../../src/index.ts'
import { logLines } from '../harness.ts'
import { mongoRoute, onMongo, setup, type Item, type Server } from './fixture.ts'

/** Operations that forget the transaction, the other store, and what refuses to boot. */
export async function boundaries (t: Test, server: Server): Promise<void> {
  await t.test('an operation that forgot the session is detected, and nothing of the transaction is committed', async (t) => {
    const { send, ids } = await setup(t, {
      server,
      routes (app, db) {
        const plain = db.collection<Item>('item')
        app.post('/read-inside', onMongo, async (request) => {
          await request.mongo.collection<Item>('item').insertOne({ _id: 1 })
          return { count: await plain.countDocuments() }
        })
        app.post('/write-before', onMongo, async (request) => {
          await plain.insertOne({ _id: 2 })
          await request.mongo.collection<Item>('item').insertOne({ _id: 3 })
          return {}
        })
        app.post('/write-only', onMongo, async () => await plain.insertOne({ _id: 4 }))
        app.post('/read-before', onMongo, async (request) => {
          await plain.findOne({})
          await request.mongo.collection<Item>('item').insertOne({ _id: 5 })
          return {}
        })
        app.post('/meant', onMongo, async (request) => {
          await request.mongo.collection<Item>('item').insertOne({ _id: 6 })
          await outsideTransaction(() => plain.insertOne({ _id: 7 }))
          return {}
        })
        app.post('/plain', async () => await plain.insertOne({ _id: 8 }))
        app.post('/after', onMongo, async (request) => {
          await request.mongo.collection<Item>('item').insertOne({ _id: 9 })
          await request.transaction.commit()
          return await plain.findOne({ _id: 9 })
        })
      }
    })
    for (
      const [path, command] of [['/read-inside', 'aggregate'], ['/write-before', 'insert'], ['/write-only', 'insert']]
    ) {
      t.match(await send('POST', path ?? ''), {
        status: 500,
        json: { code: 'TX_USAGE', message: `sent ${command ?? ''} without the session of its MongoDB transaction` }
      })
    }
    for (const path of ['/read-before', '/meant', '/plain', '/after']) {
      t.equal((await send('POST', path)).status, 200, path)
    }
    t.same(
      await ids(),
      [2, 4, 5, 6, 7, 8, 9],
      'the outside queries themselves are stored, that is what is wrong with them'
    )
  })

  await t.test('the detector can be switched off, and says when it is blind', async (t) => {
    const { lines, logger } = logLines()
    await setup(t, { server, fastify: { logger }, client: { monitorCommands: false }, routes () {} })
    t.ok(lines.some(({ msg }) => /create the client with monitorCommands: true/.test(String(msg))))
    const { send } = await setup(t, {
      server,
      plugin: { detectOutsideQueries: false },
      routes (app, db) {
        app.post('/', onMongo, async (request) => {
          await request.mongo.collection<Item>('item').insertOne({ _id: 1 })
          return await db.collection('item').countDocuments()
        })
      }
    })
    t.equal((await send('POST', '/')).status, 200)
  })

  await t.test('the handle of the other store says what to do', async (t) => {
    const { send } = await setup(t, {
      server,
      plugin: { sql: doubleDriver(), db: { autocommit: 'autocommit' as never, bind: () => 'bound' as never } },
      routes (app) {
        app.post('/db', onMongo, async (request) => ({ db: request.db }))
        app.post('/query', onMongo, async (request) => await request.transaction.query('select 1'))
        app.post('/mongo', { config: { transaction: true } }, async (request) => ({ name: request.mongo.databaseName }))
        app.post('/none', async (request) => ({ db: request.db, name: request.mongo.databaseName.slice(0, 5) }))
        app.post('/transaction', async (request) => ({ state: request.transaction.state }))
      }
    })
    t.match(await send('POST', '/db'), {
      status: 500,
      json: { code: 'TX_USAGE', message: /lives in MongoDB; read SQL through app\.db, or declare store: 'sql'/ }
    })
    t.match(await send('POST', '/query'), {
      status: 500,
      json: { code: 'TX_USAGE', message: /lives in MongoDB and takes no SQL/ }
    })
    t.match(await send('POST', '/mongo'), {
      status: 500,
      json: {
        code: 'TX_USAGE',
        message: /lives in SQL; read MongoDB through app\.mongo\.db, declare store: 'mongo', or crossStore/
      }
    })
    t.match(await send('POST', '/none'), { status: 200, json: { db: 'autocommit', name: 'mongo' } })
    t.match(await send('POST', '/transaction'), {
      status: 500,
      json: { message: /has no transaction: declare config: \{ transaction: true \} on the route/ }
    })
  })

  await t.test('a route that declares crossStore reads MongoDB and cannot write it', async (t) => {
    const { send, db, ids } = await setup(t, {
      server,
      plugin: { sql: doubleDriver() },
      routes (app) {
        app.post('/:way', { config: { transaction: { crossStore: 'outbox' } } }, async (request) => {
          const items = request.mongo.collection<Item>('item')
          const { way } = request.params as { way: string }
          if (way === 'insert') return await items.insertOne({ _id: 2 })
          if (way === 'out') return await items.aggregate([{ $match: {} }, { $out: 'copy' }]).toArray()
          if (way === 'merge') return await items.aggregate([{ $merge: { into: 'copy' } }]).toArray()
          return [
            await items.findOne({ _id: 1 }),
            await items.find({}).toArray(),
            await items.aggregate([]).toArray(),
            await items.countDocuments(),
            await items.distinct('_id')
          ]
        })
      }
    })
    await db.collection<Item>('item').insertOne({ _id: 1 })
    t.match(await send('POST', '/read'), { status: 200, json: [{ _id: 1 }, [{ _id: 1 }], [{ _id: 1 }], 1, [1]] })
    for (const way of ['insert', 'out', 'merge']) {
      t.match(await send('POST', `/${way}`), {
        status: 500,
        json: {
          code: 'TX_USAGE',
          message: /would write to MongoDB outside the transaction; this route declares crossStore: 'outbox'/
        }
      })
    }
    t.same(await ids(), [1])
    t.same(await db.listCollections({ name: 'copy' }).toArray(), [])
  })

  await t.test('contradictions refuse to boot and name the route', async (t) => {
    const mongo = { client: doubleClient(), db: server.admin.db('nothing') }
    async function boot (
      declared: RouteTransactionOptions,
      options: object = { mongo, sql: doubleDriver() }
    ): Promise<void> {
      const app = Fastify()
      t.teardown(() => app.close())
      await app.register(transaction, options)
      app.post('/place', { config: { transaction: declared } }, async () => ({}))
      await app.ready()
    }
    const wrong: Array<[RouteTransactionOptions, RegExp]> = [
      [
        { store: 'mongo', isolationLevel: 'serializable', settings: () => ({}) },
        /isolationLevel is an option of the sql store; settings is an option of the sql store/
      ],
      [{ store: 'mongo', stream: true, accessMode: 'read only' }, /stream needs the sql store/],
      [{ store: 'mongo', crossStore: 'outbox' }, /crossStore: 'outbox' needs the sql store/]
    ]
    for (const [declared, message] of wrong) {
      await t.rejects(boot(declared), { code: 'TX_USAGE', message: new RegExp(`POST /place.*${message.source}`) })
    }
    await t.rejects(boot({ store: 'mongo' }, { sql: doubleDriver() }), {
      message: /POST \/place: store 'mongo' needs the plugin option mongo/
    })
    await t.rejects(boot({}, { mongo: { ...mongo, instance: 'a-1' } }), {
      message: /the client's appName is not set; create it with appName: 'a-1'/
    })
  })

  await t.test('a double takes the place of MongoDB in tests', async (t) => {
    const stored: unknown[] = []
    const collection = {
      collectionName: 'item',
      insertOne: async (document: unknown) => {
        stored.push(document)
        return {}
      },
      find: () => ({ toArray: async () => stored })
    }
    const db = { databaseName: 'double', collection: () => collection }
    const app = Fastify()
    t.teardown(() => app.close())
    await app.register(transaction, { mongo: { client: doubleClient(), db: db as never } })
    app.post('/', onMongo, async (request) => {
      await request.mongo.collection<Item>('item').insertOne({ _id: 1 })
      return await request.mongo.collection<Item>('item').find().toArray()
    })
    app.post('/bad', onMongo, async (request, reply) => {
      await request.mongo.collection<Item>('item').insertOne({ _id: 2 })
      reply.code(409)
      return {}
    })
    t.match((await app.inject({ method: 'POST', url: '/' })).json(), [{ _id: 1 }])
    t.equal((await app.inject({ method: 'POST', url: '/bad' })).statusCode, 409)
  })

  await t.test('errors of the driver are answered by class, and none of them with a value', async (t) => {
    const { send, failCommand } = await setup(t, {
      server,
      before (app) {
        app.setErrorHandler((error, _request, reply) => {
          const answer = mapError(error)
          reply.code(answer?.status ?? 500).send({ type: answer?.type })
        })
      },
      routes (app) {
        app.post(
          '/insert/:id',
          mongoRoute({ retries: 1 }),
          async (request) =>
            await request.mongo.collection<Item>('item').insertOne({
              _id: Number((request.params as { id: string }).id),
              note: 'same'
            })
        )
        app.post(
          '/big',
          onMongo,
          async (request) =>
            await request.mongo.collection<Item>('item').insertOne({ _id: 9, note: 'x'.repeat(17 * 2 ** 20) })
        )
        app.post(
          '/commit',
          onMongo,
          async (request) => await request.mongo.collection<Item>('item').insertOne({ _id: 10 })
        )
        app.post(
          '/many',
          onMongo,
          async (request) => await request.mongo.collection<Item>('item').insertMany([{ _id: 11 }, { _id: 12 }])
        )
      }
    })
    t.equal((await send('POST', '/insert/1')).status, 200)
    t.match(await send('POST', '/insert/2'), { status: 409, json: { type: 'duplicate' } })
    t.match(await send('POST', '/big'), { status: 413, json: { type: 'document-too-large' } })
    await failCommand(['insert'], { errorCode: 112, errorLabels: ['TransientTransactionError'] }, 2)
    t.match(await send('POST', '/insert/3'), { status: 503, json: { type: 'write-conflict' } })
    await failCommand(['insert'], { errorCode: 50 })
    t.match(await send('POST', '/insert/4'), { status: 504, json: { type: 'database-timeout' } })
    await failCommand(['commitTransaction'], { errorCode: 251, errorLabels: ['TransientTransactionError'] })
    t.match(await send('POST', '/commit'), { status: 503, json: { type: 'write-conflict' } })
    await failCommand(['insert'], { closeConnection: true })
    t.match(
      await send('POST', '/many'),
      { status: 503, json: { type: 'write-conflict' } },
      'inside a transaction nothing is in doubt'
    )
  })
}
