import { setTimeout as sleep } from 'node:timers/promises'
import Fastify, { type FastifyRequest } from 'fastify'
import {
  MongoBulkWriteError,
  MongoClient,
  MongoNetworkError,
  MongoServerSelectionError,
  MongoWriteConcernError
} from 'mongodb'
import type { Test } from 'tap'
import transaction, { mapError, confirmedWrites, noteDatabaseError } from '../../src/index.ts'
import { connected, mongod, setup, type Item, type Server } from './fixture.ts'

/** Writes on routes without a transaction. */
export async function plainWrites (t: Test, server: Server): Promise<void> {
  await t.test('a write without a transaction that got no answer is outcome unknown, never try again', async (t) => {
    const { send, ids, failCommand } = await setup(t, {
      server,
      before (app) {
        app.setErrorHandler((error, _request, reply) => {
          const answer = mapError(error)
          reply.code(answer?.status ?? 500).send({ type: answer?.type })
        })
      },
      routes (app) {
        const write = {
          one: (request: FastifyRequest, _id: number) => request.mongo.collection<Item>('item').insertOne({ _id }),
          many: (request: FastifyRequest, _id: number) =>
            request.mongo.collection<Item>('item').insertMany([{ _id }, { _id: _id + 1 }]),
          update: (request: FastifyRequest, _id: number) =>
            request.mongo.collection<Item>('item').updateMany({ _id }, { $set: { n: 1 } })
        }
        app.post('/:way/:id', async (request) => {
          const { way, id } = request.params as { way: keyof typeof write; id: string }
          return await write[way](request, Number(id))
        })
        app.get('/', async (request) => await request.mongo.collection<Item>('item').findOne({}))
      }
    })
    t.equal((await send('POST', '/one/1')).status, 200)
    await failCommand(['insert'], { closeConnection: true })
    t.equal((await send('POST', '/one/2')).status, 200, 'the driver repeats what can be repeated')
    for (const [way, command] of [['one/3', 'insert'], ['many/4', 'insert'], ['update/1', 'update']] as const) {
      await failCommand([command], { closeConnection: true }, 2)
      t.match(await send('POST', `/${way}`), { status: 500, json: { type: 'outcome-unknown' } }, way)
    }
    await failCommand(['find'], { closeConnection: true }, 2)
    t.match(await send('GET', '/'), { status: 503, json: { type: 'database-unavailable' } }, 'a read stored nothing')
    const shuttingDown = { writeConcernError: { code: 11602, errmsg: 'interrupted' } }
    for (const way of ['one/6', 'many/7']) {
      await failCommand(['insert'], shuttingDown, 2)
      t.match(await send('POST', `/${way}`), { status: 500, json: { type: 'outcome-unknown' } }, way)
    }
    t.match(await send('POST', '/one/1'), { status: 409, json: { type: 'duplicate' } }, 'an answer is an answer')
    t.same(await ids(), [1, 2, 6, 7, 8], 'stored, but not confirmed')
  })

  await t.test('a full pool and a server that is away have taken nothing; a server lost meanwhile may have', async (t) => {
    const own = await mongod(t)
    const client = await connected(
      new MongoClient(own.url, {
        serverSelectionTimeoutMS: 500,
        waitQueueTimeoutMS: 100,
        maxPoolSize: 1,
        heartbeatFrequencyMS: 500
      })
    )
    t.teardown(() => client.close())
    const items = confirmedWrites(client, client.db('plain')).collection<Item>('item')
    await items.insertOne({ _id: 1 })
    const slow = items.find({ $where: 'sleep(600) || true' }).toArray()
    await t.rejects(items.insertOne({ _id: 2 }), { name: 'MongoWaitQueueTimeoutError' })
    await slow
    await own.admin.db('admin').command({
      configureFailPoint: 'failCommand',
      mode: { times: 1 },
      data: { failCommands: ['insert'], blockConnection: true, blockTimeMS: 5000 }
    })
    const sent = items.insertOne({ _id: 3 })
    await new Promise<void>((resolve) => {
      client.once('connectionCheckedOut', () => {
        resolve()
      })
    })
    process.kill(own.pid, 'SIGKILL')
    await t.rejects(sent, {
      name: 'UnconfirmedWriteError',
      code: 'TX_OUTCOME_UNKNOWN',
      message: /insertOne on item, which was sent without a transaction/
    })
    await t.rejects(items.insertOne({ _id: 4 }), { name: 'MongoServerSelectionError' }, 'now it is known to be away')
  })

  await t.test('a write that was sent, ran into the socket timeout, and found no connection to be sent again is unknown', async (t) => {
    const appName = `repeated_${process.pid}`
    const client = await new MongoClient(server.url, {
      appName,
      maxPoolSize: 1,
      socketTimeoutMS: 2500,
      waitQueueTimeoutMS: 1700
    }).connect()
    t.teardown(() => client.close())
    const items = confirmedWrites(client, client.db(appName)).collection<Item>('item')
    await items.insertOne({ _id: 1 })
    await server.admin.db('admin').command({
      configureFailPoint: 'failCommand',
      mode: { times: 1 },
      data: { failCommands: ['insert'], appName, blockConnection: true, blockTimeMS: 5000 }
    })
    const sent = items.insertOne({ _id: 2 })
    sent.catch(() => {})
    await sleep(1650)
    // Takes the only place in the pool when the first attempt gives it up, for longer than the second one waits.
    const stop = new AbortController()
    const other = items.find({ $where: 'sleep(4000) || true' }, { signal: stop.signal }).toArray()
    other.catch(() => {})
    await t.rejects(sent, { code: 'TX_OUTCOME_UNKNOWN', cause: { name: 'MongoWaitQueueTimeoutError' } })
    stop.abort()
    await t.rejects(other)
    await server.admin.db(appName).dropDatabase()
  })

  await t.test('a server that dies during a commit, and is away when the driver asks again: unknown', async (t) => {
    const own = await mongod(t)
    const client = await connected(
      new MongoClient(own.url, { serverSelectionTimeoutMS: 300, heartbeatFrequencyMS: 500 })
    )
    const app = Fastify()
    t.teardown(async () => {
      await app.close()
      await client.close()
    })
    await app.register(transaction, { mongo: { client, db: client.db('dying') }, commitTimeout: 1000 })
    await own.admin.db('admin').command({
      configureFailPoint: 'failCommand',
      mode: { times: 1 },
      data: { failCommands: ['commitTransaction'], blockConnection: true, blockTimeMS: 5000 }
    })
    const worked = app.transaction(async ({ mongo }) => {
      await mongo.collection<Item>('item').insertOne({ _id: 1 })
      client.once('connectionCheckedOut', () => {
        setTimeout(() => {
          process.kill(own.pid, 'SIGKILL')
        }, 50)
      })
    }, { store: 'mongo' })
    await t.rejects(worked, { code: 'TX_OUTCOME_UNKNOWN' })
    await t.rejects(
      app.transaction(async ({ mongo }) => await mongo.collection('item').findOne({}), { store: 'mongo' }),
      { name: 'MongoServerSelectionError' }
    )
  })

  await t.test('everything that is no write stays as it was', async (t) => {
    const { db, client } = await setup(t, { server, routes () {} })
    const wrapped = confirmedWrites(client, client.db(db.databaseName))
    t.equal(wrapped.databaseName, db.databaseName)
    t.match(await wrapped.command({ ping: 1 }), { ok: 1 })
    t.type(await wrapped.collection('other').createIndex({ a: 1 }), 'string')
    t.same(await wrapped.collection('other').find().toArray(), [])
    t.equal(wrapped.collection('other').collectionName, 'other')
    await t.rejects(wrapped.collection('other').updateOne({}, { a: 1 } as never), { name: 'MongoInvalidArgumentError' })
  })

  t.test('bare errors of the driver: what is certainly a write is unknown, the rest is unavailable', (t) => {
    const network = () => new MongoNetworkError('connection closed')
    const answers: Array<[Error, string]> = [
      [network(), 'database-unavailable'],
      [new MongoServerSelectionError('none', Object.create(null) as never), 'database-unavailable'],
      [
        new MongoWriteConcernError({ writeConcernError: { code: 91, errmsg: 'shutting down' } } as never),
        'outcome-unknown'
      ],
      [new MongoBulkWriteError(network(), { getWriteConcernError: () => undefined } as never), 'outcome-unknown'],
      [
        new MongoBulkWriteError({ message: 'duplicate', code: 11000 }, {
          getWriteConcernError: () => undefined
        } as never),
        'duplicate'
      ]
    ]
    for (const [error, type] of answers) {
      t.equal(mapError(error), undefined, 'of a client that is not of the app')
      t.equal(mapError(noteDatabaseError(error))?.type, type, `${error.name}: ${error.message}`)
    }
    t.end()
  })
}
