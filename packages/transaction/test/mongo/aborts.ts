import { setTimeout as sleep } from 'node:timers/promises'
import type { FastifyRequest } from 'fastify'
import type { Test } from 'tap'
import { signal, comesTrue } from '../harness.ts'
import { mongoRoute, onMongo, setup, type Item, type Server, type Setup } from './fixture.ts'

/** A find that sleeps on the server, longer than anybody waits for its end. */
const slowly = { $where: 'sleep(60000) || true' }

const insert = async (request: FastifyRequest, _id: number): Promise<void> => {
  await request.mongo.collection<Item>('item').insertOne({ _id })
}

/** Operations that the app's client is running on the server. */
async function isBusy ({ client }: Setup, server: Server): Promise<boolean> {
  const { appName } = client.options
  return (await server.admin.db('admin').aggregate([{ $currentOp: {} }, { $match: { appName, active: true } }])
    .toArray()).length > 0
}

/** Clients that go away, and work that takes too long. */
export async function aborts (t: Test, server: Server): Promise<void> {
  await t.test('a client that goes away takes its work back, with and without a body', async (t) => {
    const begun = [signal(), signal(), signal(), signal()]
    const ended: string[] = []
    const staged = await setup(t, {
      server,
      routes (app) {
        const handle = async (request: FastifyRequest) => {
          const { id, way } = request.params as { id: string; way: string }
          await insert(request, Number(id))
          begun[Number(id)]?.give()
          if (way === 'never') await new Promise(() => {})
          await comesTrue(() => request.transaction.state === 'rolled back')
          ended.push(request.transaction.state)
          return way === 'nothing' ? undefined : {}
        }
        app.post('/:id/:way', onMongo, handle)
        app.get('/:id/:way', onMongo, handle)
      }
    })
    for (
      const [id, [method, way]]
        of ([['POST', 'value'], ['GET', 'value'], ['POST', 'nothing'], ['POST', 'never']] as const).entries()
    ) {
      const sent = staged.send(method, `/${id}/${way}`)
      await begun[id]?.given
      sent.abort()
      await t.rejects(sent)
    }
    t.ok(await comesTrue(() => ended.length === 3))
    t.ok(
      await comesTrue(async () => await staged.openTransactions() === 0),
      'a handler that never ends holds nothing either'
    )
    t.same(await staged.ids(), [])
  })

  await t.test('with clientAbort continue the work is committed, although nobody is left to be told', async (t) => {
    const begun = signal()
    const goOn = signal()
    const { send, ids } = await setup(t, {
      server,
      routes (app) {
        app.post('/', mongoRoute({ clientAbort: 'continue' }), async (request) => {
          await insert(request, 1)
          begun.give()
          await goOn.given
          await insert(request, 2)
          return {}
        })
      }
    })
    const sent = send('POST', '/')
    await begun.given
    sent.abort()
    await t.rejects(sent)
    goOn.give()
    t.ok(await comesTrue(async () => (await ids()).length === 2))
    t.same(await ids(), [1, 2])
  })

  await t.test('connectionTimeout closes the connection of a handler that hangs, and its work is taken back', async (t) => {
    const { send, ids, openTransactions } = await setup(t, {
      server,
      fastify: { connectionTimeout: 300 },
      routes (app) {
        app.post('/', onMongo, async (request) => {
          await insert(request, 1)
          await new Promise(() => {})
        })
      }
    })
    await t.rejects(send('POST', '/'))
    t.ok(await comesTrue(async () => await openTransactions() === 0))
    t.same(await ids(), [])
  })

  await t.test('a client that goes away during an operation stops it on the server', async (t) => {
    const begun = signal()
    const staged = await setup(t, {
      server,
      routes (app) {
        app.post('/', onMongo, async (request) => {
          await insert(request, 1)
          begun.give()
          return await request.mongo.collection<Item>('item').find(slowly).toArray()
        })
      }
    })
    const sent = staged.send('POST', '/')
    await begun.given
    t.ok(await comesTrue(() => isBusy(staged, server)))
    sent.abort()
    await t.rejects(sent)
    t.ok(await comesTrue(async () => !await isBusy(staged, server)), 'long before it has slept')
    t.same(await staged.ids(), [])
  })

  await t.test('a passed deadline is 504, also with a body, stops the operation and refuses late ones', async (t) => {
    let late: unknown
    const isOver = signal()
    const staged = await setup(t, {
      server,
      routes (app) {
        app.post('/slow', mongoRoute({ deadline: 150 }), async (request) => {
          await insert(request, 1)
          return await request.mongo.collection<Item>('item').find(slowly).toArray()
        })
        app.post('/late', mongoRoute({ deadline: 150 }), async (request) => {
          await insert(request, 2).catch(() => {})
          await comesTrue(() => request.transaction.state === 'rolled back')
          await insert(request, 3).catch((error: unknown) => {
            late = error
          })
          isOver.give()
          return {}
        })
        app.post('/hangs', mongoRoute({ deadline: 150 }), async (request) => {
          await insert(request, 4)
          await new Promise(() => {})
        })
      }
    })
    t.match(await staged.send('POST', '/slow'), { status: 504, json: { code: 'TX_TIMEOUT' } })
    t.ok(await comesTrue(async () => !await isBusy(staged, server)))
    t.match(await staged.send('POST', '/late'), { status: 504, json: { code: 'TX_TIMEOUT' } })
    await isOver.given
    t.match(late, { code: 'TX_TIMEOUT' })
    t.match(await staged.send('POST', '/hangs'), { status: 504 })
    t.same(await staged.ids(), [])
  })

  await t.test('the lifetime limit of the server passes while the handler sleeps: not committed, and not answered as if', async (t) => {
    const { admin } = server
    const limit = (seconds: number) =>
      admin.db('admin').command({ setParameter: 1, transactionLifetimeLimitSeconds: seconds })
    await limit(1)
    t.teardown(() => limit(60))
    const { send, ids, openTransactions } = await setup(t, {
      server,
      routes (app) {
        app.post('/', onMongo, async (request) => {
          await insert(request, 1)
          await comesTrue(async () => await openTransactions() === 0)
          return {}
        })
      }
    })
    const { status } = await send('POST', '/')
    t.equal(status, 500)
    t.same(await ids(), [])
  })

  await t.test('a plain write waits for an open transaction; a second transaction does not, it conflicts', async (t) => {
    const held = signal()
    const release = signal()
    const { send, db } = await setup(t, {
      server,
      routes (app) {
        app.post('/hold', onMongo, async (request) => {
          await request.mongo.collection<Item>('item').updateOne({ _id: 1 }, { $inc: { n: 1 } })
          held.give()
          await release.given
          return {}
        })
        app.post('/conflict', onMongo, async (request) => {
          await request.mongo.collection<Item>('item').updateOne({ _id: 1 }, { $inc: { n: 10 } })
          return {}
        })
      }
    })
    await db.collection<Item>('item').insertOne({ _id: 1, n: 0 })
    const holding = send('POST', '/hold')
    await held.given
    t.match(await send('POST', '/conflict'), { status: 500, json: { message: /WriteConflict|Write conflict/i } })
    let isWritten = false
    const plain = db.collection<Item>('item').updateOne({ _id: 1 }, { $inc: { n: 100 } }).then(() => {
      isWritten = true
    })
    await sleep(100)
    t.equal(isWritten, false)
    release.give()
    t.equal((await holding).status, 200)
    await plain
    t.match(await db.collection<Item>('item').findOne({ _id: 1 }), { n: 101 })
  })

  await t.test('app.close() waits for a request with an open transaction', async (t) => {
    const held = signal()
    const { app, send, ids } = await setup(t, {
      server,
      fastify: { forceCloseConnections: false },
      routes (app) {
        app.post('/', onMongo, async (request) => {
          await insert(request, 1)
          held.give()
          await sleep(100)
          return {}
        })
      }
    })
    const sent = send('POST', '/')
    await held.given
    await app.close()
    t.equal((await sent).status, 200)
    t.same(await ids(), [1])
  })
}
