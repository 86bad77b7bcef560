import type { FastifyRequest } from 'fastify'
import type { Test } from 'tap'
import type { TransactionalCollection } from '../../src/index.ts'
import { signal } from '../harness.ts'
import { mongoRoute, onMongo, setup, type Item, type Server } from './fixture.ts'

const getItems = (request: FastifyRequest): TransactionalCollection<Item> => request.mongo.collection<Item>('item')

/** The collections of `request.mongo`. */
export async function facade (t: Test, server: Server): Promise<void> {
  await t.test('a transaction reads from the primary, wherever its client reads', async (t) => {
    for (
      const [readPreference, options] of [['secondaryPreferred', {}], ['primaryPreferred', { timeoutMS: 5000 }], [
        'nearest',
        {}
      ], ['primary', { timeoutMS: 5000 }]] as const
    ) {
      const { send, ids } = await setup(t, {
        server,
        client: { readPreference, ...options },
        routes (app) {
          app.post('/', onMongo, async (request) => {
            const items = getItems(request)
            await items.insertOne({ _id: 1, n: 1 })
            const one = await items.findOne({}, { readPreference: 'secondary' })
            const all = await items.find().sort({ _id: 1 }).toArray()
            return {
              one,
              all: all.length,
              sums: await items.aggregate([{ $group: { _id: null, n: { $sum: '$n' } } }]).toArray(),
              count: await items.countDocuments(),
              distinct: await items.distinct('n')
            }
          })
        }
      })
      t.match(await send('POST', '/'), {
        status: 200,
        json: { one: { _id: 1 }, all: 1, sums: [{ n: 1 }], count: 1, distinct: [1] }
      }, readPreference)
      t.same(await ids(), [1])
    }
  })

  await t.test('every operation runs inside the transaction: seen there, not outside, gone after a rollback', async (t) => {
    const { send, db, ids } = await setup(t, {
      server,
      routes (app) {
        app.post('/', onMongo, async (request, reply) => {
          const items = getItems(request)
          await items.insertOne({ _id: 1, n: 1 })
          await items.insertMany([{ _id: 2, n: 2 }, { _id: 3, n: 3 }, { _id: 4, n: 4 }])
          await items.updateOne({ _id: 1 }, { $set: { note: 'one' } })
          await items.updateMany({ n: { $lt: 3 } }, { $inc: { n: 10 } })
          await items.replaceOne({ _id: 3 }, { n: 30 })
          await items.deleteOne({ _id: 4 })
          await items.bulkWrite([{ insertOne: { document: { _id: 5, n: 5 } } }, { deleteMany: { filter: { n: 11 } } }])
          const updated = await items.findOneAndUpdate({ _id: 2 }, { $inc: { n: 1 } }, { returnDocument: 'after' })
          const replaced = await items.findOneAndReplace({ _id: 3 }, { n: 31 }, { returnDocument: 'after' })
          const deleted = await items.findOneAndDelete({ _id: 5 })
          await items.deleteMany({ _id: 99 })
          reply.code(409)
          return {
            updated,
            replaced,
            deleted,
            one: await items.findOne({ _id: 2 }),
            count: await items.countDocuments(),
            distinct: await items.distinct('n'),
            outside: await outside.countDocuments(),
            name: [request.mongo.databaseName === items.dbName, items.collectionName, items.namespace.endsWith('.item')]
          }
        })
      }
    })
    const outside = db.collection<Item>('item')
    t.match(await send('POST', '/'), {
      status: 409,
      json: {
        updated: { _id: 2, n: 13 },
        replaced: { _id: 3, n: 31 },
        deleted: { _id: 5, n: 5 },
        one: { n: 13 },
        count: 2,
        distinct: [13, 31],
        outside: 0,
        name: [true, 'item', true]
      }
    })
    t.same(await ids(), [])
  })

  await t.test('cursors send nothing before their first document, then read inside the transaction', async (t) => {
    const commands: string[] = []
    const { send, client } = await setup(t, {
      server,
      routes (app) {
        app.post('/lazy', onMongo, async (request) => {
          getItems(request).find({}).sort({ _id: 1 })
          getItems(request).aggregate([{ $match: {} }])
          await getItems(request).find({}).close()
          return { state: request.transaction.state }
        })
        app.post('/read', onMongo, async (request) => {
          const items = getItems(request)
          await items.insertMany([1, 2, 3, 4, 5].map((_id) => ({ _id, n: _id % 2 })))
          const cursor = items.find({ n: 1 }).sort({ _id: -1 }).skip(1).limit(2).project<{ _id: number }>({ _id: 1 })
            .map(({ _id }) => _id * 10)
          const seen: number[] = []
          for await (const { _id } of items.find({}, { batchSize: 2 }).sort({ _id: 1 })) {
            seen.push(_id)
            if (_id === 4) break
            await items.updateOne({ _id }, { $set: { note: `seen ${_id}` } })
          }
          const summed = items.aggregate<{ _id: number; count: number }>([{
            $group: { _id: '$n', count: { $sum: 1 } }
          }]).sort({ _id: 1 })
          const first = await summed.next()
          return {
            mapped: await cursor.toArray(),
            seen,
            first,
            more: await summed.hasNext(),
            rest: await summed.toArray(),
            none: await items.find({ _id: 9 }).next(),
            grouped: await items.aggregate([]).group<{ _id: null; all: number }>({ _id: null, all: { $sum: 1 } }).map((
              { all }
            ) => all).toArray()
          }
        })
        app.post('/late-step', onMongo, async (request) => {
          const cursor = getItems(request).find({})
          await cursor.next()
          cursor.sort({ _id: 1 })
        })
      }
    })
    client.on('commandStarted', ({ commandName }) => {
      commands.push(commandName)
    })
    t.match(await send('POST', '/lazy'), { status: 200, json: { state: 'idle' } })
    t.same(commands, [])
    t.match(await send('POST', '/read'), {
      status: 200,
      json: {
        mapped: [30, 10],
        seen: [1, 2, 3, 4],
        first: { _id: 0, count: 2 },
        more: true,
        rest: [{ _id: 1, count: 3 }],
        none: null,
        grouped: [5]
      }
    })
    t.ok(commands.includes('killCursors'), 'a loop that was left early closes its cursor')
    t.match(await send('POST', '/late-step'), { status: 500, json: { code: 'TX_USAGE' } })
  })

  await t.test('a cursor that is left open, and one that is read after the reply', async (t) => {
    const isOver = signal()
    let late: unknown
    const { send, db } = await setup(t, {
      server,
      routes (app) {
        app.post('/', onMongo, async (request, reply) => {
          const cursor = getItems(request).find({}, { batchSize: 1 })
          await cursor.next()
          reply.send({})
          await cursor.next().catch((error: unknown) => {
            late = error
          })
          isOver.give()
        })
      }
    })
    await db.collection<Item>('item').insertMany([{ _id: 1 }, { _id: 2 }, { _id: 3 }])
    t.equal((await send('POST', '/')).status, 200)
    await isOver.given
    t.match(late, { code: 'TX_CLOSED' })
  })

  await t.test('parallel operations are sent one after the other, in the order of the calls', async (t) => {
    let running = 0
    let most = 0
    const { send, client, db } = await setup(t, {
      server,
      routes (app) {
        app.post('/', onMongo, async (request) => {
          const items = getItems(request)
          const results = await Promise.all([
            items.insertOne({ _id: 1, n: 0 }),
            ...[1, 2, 3].map(() => items.updateOne({ _id: 1 }, { $inc: { n: 1 } })),
            items.findOne({ _id: 1 })
          ])
          return results.at(-1)
        })
      }
    })
    client.on('commandStarted', () => {
      most = Math.max(most, ++running)
    })
    client.on('commandSucceeded', () => {
      running--
    })
    for (let round = 0; round < 20; round++) {
      t.match(await send('POST', '/'), { status: 200, json: { n: 3 } })
      await db.collection<Item>('item').deleteMany({})
    }
    t.equal(most, 1)
  })

  await t.test('what cannot run inside a transaction is refused before it is sent', async (t) => {
    const refused = {
      createIndex: [{ n: 1 }],
      createIndexes: [[]],
      drop: [],
      dropIndex: ['x'],
      rename: ['x'],
      watch: [],
      estimatedDocumentCount: [],
      indexes: [],
      initializeOrderedBulkOp: [],
      initializeUnorderedBulkOp: [],
      options: [],
      isCapped: []
    }
    const refusedOfCursors = ['stream', 'explain', 'clone', 'rewind', 'forEach', 'count', 'addCursorFlag']
    const commands: string[] = []
    const { send, client } = await setup(t, {
      server,
      routes (app) {
        app.post('/collection/:name', onMongo, async (request) => {
          const { name } = request.params as { name: string }
          await getItems(request).insertOne({ _id: 1 })
          const method: unknown = Reflect.get(getItems(request), name)
          return await (method as (...args: unknown[]) => Promise<unknown>)(...refused[name as keyof typeof refused])
        })
        app.post('/cursor/:name', onMongo, async (request) => {
          const { name } = request.params as { name: string }
          return (Reflect.get(getItems(request).find(), name) as () => unknown)()
        })
        app.post(
          '/hidden',
          onMongo,
          async (request) => ({
            s: String(Reflect.get(getItems(request), 's')),
            db: String(Reflect.get(request.mongo, 'command'))
          })
        )
      }
    })
    client.on('commandStarted', ({ commandName }) => {
      commands.push(commandName)
    })
    for (const name of Object.keys(refused)) {
      t.match(await send('POST', `/collection/${name}`), {
        status: 500,
        json: {
          code: 'TX_USAGE',
          message: `${name}() cannot run inside a MongoDB transaction; use app.mongo.db outside of it`
        }
      })
    }
    for (const name of refusedOfCursors) {
      t.match(await send('POST', `/cursor/${name}`), { status: 500, json: { code: 'TX_USAGE' } })
    }
    t.match(await send('POST', '/hidden'), { status: 200, json: { s: 'undefined', db: 'undefined' } })
    t.same(new Set(commands), new Set(['insert', 'abortTransaction']))
  })

  await t.test('mistakes in arguments never left the process: caught, they do no harm', async (t) => {
    const { send, ids } = await setup(t, {
      server,
      routes (app) {
        app.post('/', onMongo, async (request) => {
          const items = getItems(request)
          await items.insertOne({ _id: 1 })
          const caught: string[] = []
          const note = (error: unknown) => {
            caught.push(error instanceof Error ? error.name : '')
          }
          await items.updateOne({ _id: 1 }, { note: 'no operator' } as never).catch(note)
          const circle: Record<string, unknown> = { _id: 2 }
          circle.self = circle
          await items.insertOne(circle as never).catch(note)
          await items.find({}).map(() => {
            throw new TypeError('mine')
          }).toArray().catch(note)
          return caught
        })
      }
    })
    t.match(await send('POST', '/'), { status: 200, json: ['MongoInvalidArgumentError', 'BSONError', 'TypeError'] })
    t.same(await ids(), [1])
  })

  await t.test('a collection that does not exist yet is made by the transaction; its options are kept', async (t) => {
    const { send, db } = await setup(t, {
      server,
      routes (app) {
        app.post('/:way', onMongo, async (request, reply) => {
          const { way } = request.params as { way: string }
          await request.mongo.collection(way, { ignoreUndefined: true }).insertOne({ gone: undefined })
          if (way === 'rolled-back') reply.code(409)
          return {}
        })
      }
    })
    t.equal((await send('POST', '/rolled-back')).status, 409)
    t.equal((await send('POST', '/kept')).status, 200)
    t.same(await db.listCollections({ name: 'rolled-back' }).toArray(), [])
    t.same(Object.keys(await db.collection('kept').findOne() ?? {}), ['_id'])
  })

  await t.test('18 MB in one transaction pass, a document of 17 MB is refused, and the pool can run out', async (t) => {
    const megabytes = (count: number) => 'x'.repeat(count * 2 ** 20)
    const held = signal()
    const release = signal()
    const { send, ids } = await setup(t, {
      server,
      client: { maxPoolSize: 1, waitQueueTimeoutMS: 1000 },
      routes (app) {
        app.post('/many', onMongo, async (request) => {
          for (const _id of [1, 2, 3]) {
            await request.mongo.collection<Item & { text: string }>('item').insertOne({ _id, text: megabytes(6) })
          }
          return {}
        })
        app.post(
          '/one',
          onMongo,
          async (request) =>
            await request.mongo.collection<Item & { text: string }>('item').insertOne({ _id: 4, text: megabytes(17) })
        )
        app.post('/hold', mongoRoute({ clientAbort: 'continue' }), async (request) => {
          const slow = getItems(request).find({ $where: 'sleep(2000) || true' }).toArray()
          held.give()
          await release.given
          await slow
          return {}
        })
        app.post('/next', onMongo, async (request) => await getItems(request).insertOne({ _id: 5 }))
      }
    })
    t.equal((await send('POST', '/many')).status, 200)
    t.equal((await send('POST', '/one')).status, 500)
    t.same(await ids(), [1, 2, 3])
    const holding = send('POST', '/hold')
    await held.given
    t.match(await send('POST', '/next'), {
      status: 500,
      json: { message: /Timed out while checking out a connection/ }
    })
    release.give()
    t.equal((await holding).status, 200)
  })
}
