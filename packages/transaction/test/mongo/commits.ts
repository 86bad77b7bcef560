import type { FastifyRequest } from 'fastify'
import type { Test } from 'tap'
import { logLines, signal, comesTrue } from '../harness.ts'
import { mongoRoute, onMongo, setup, type Item, type Server } from './fixture.ts'

const insert = async (request: FastifyRequest, _id: number): Promise<void> => {
  await request.mongo.collection<Item>('item').insertOne({ _id })
}

/** COMMIT that is not answered, or refused, and handlers that run again. */
export async function commits (t: Test, server: Server): Promise<void> {
  await t.test('a commit whose connection breaks is sent again', async (t) => {
    const { send, ids, failCommand } = await setup(t, {
      server,
      routes (app) {
        app.post('/:id', onMongo, async (request) => {
          await insert(request, Number((request.params as { id: string }).id))
          return {}
        })
      }
    })
    for (const times of [1, 3]) {
      await failCommand(['commitTransaction'], { closeConnection: true }, times)
      t.equal((await send('POST', `/${times}`)).status, 200, `broken ${times} times`)
    }
    t.same(await ids(), [1, 3])
  })

  await t.test('a commit that is never confirmed is outcome unknown, is not run again, and its budget ends', async (t) => {
    const ran: string[] = []
    let runs = 0
    const { send, ids, failCommand, openTransactions } = await setup(t, {
      server,
      plugin: { commitTimeout: 700 },
      routes (app) {
        app.post('/:id', mongoRoute({ retries: 3 }), async (request) => {
          runs++
          await insert(request, Number((request.params as { id: string }).id))
          request.transaction.afterCommit(() => {
            ran.push('after commit')
          })
          return {}
        })
      }
    })
    const unconfirmed = { writeConcernError: { code: 64, errmsg: 'waiting for replication timed out' } }
    const impossible = {
      writeConcernError: { code: 100, codeName: 'UnsatisfiableWriteConcern', errmsg: 'Not enough data-bearing nodes' }
    }
    for (const [id, failure] of [{ closeConnection: true }, unconfirmed, impossible].entries()) {
      await failCommand(['commitTransaction'], failure, Infinity)
      t.match(await send('POST', `/${id}`), { status: 500, json: { code: 'TX_OUTCOME_UNKNOWN' } })
      t.ok(await comesTrue(async () => await openTransactions() === 0), 'a commit that never arrived blocks nobody')
    }
    t.equal(runs, 3)
    t.same(ran, [])
    t.same(await ids(), [1, 2], 'stored where only the confirmation failed')
  })

  await t.test('a commit that gets no answer at all is outcome unknown after its budget', async (t) => {
    const { send, failCommand } = await setup(t, {
      server,
      plugin: { commitTimeout: 300 },
      routes (app) {
        app.post('/', onMongo, async (request) => {
          await insert(request, 1)
          return {}
        })
      }
    })
    await failCommand(['commitTransaction'], { blockConnection: true, blockTimeMS: 3000 })
    t.match(await send('POST', '/'), { status: 500, json: { code: 'TX_OUTCOME_UNKNOWN' } })
  })

  await t.test('a commit that is refused as transient runs the handler again, where it may', async (t) => {
    const { send, ids, failCommand } = await setup(t, {
      server,
      routes (app) {
        const handle = async (request: FastifyRequest) => {
          await insert(request, Number((request.params as { id: string }).id))
          return { attempt: request.transaction.attempt }
        }
        app.post('/once/:id', onMongo, handle)
        app.post('/again/:id', mongoRoute({ retries: 3 }), handle)
        app.post('/sent/:id', mongoRoute({ retries: 3 }), async (request, reply) => {
          reply.send(await handle(request))
        })
      }
    })
    const refused = { errorCode: 251, errorLabels: ['TransientTransactionError'] }
    await failCommand(['commitTransaction'], refused)
    t.equal((await send('POST', '/once/1')).status, 500)
    for (const url of ['/again/2', '/sent/3']) {
      await failCommand(['commitTransaction'], refused)
      const { status, json } = await send('POST', url)
      // The second attempt may meet what the server has not yet undone of the first one, and conflict with it.
      t.ok(status === 200 && Number(json['attempt']) >= 2, `${url}: ${status}, attempt ${String(json['attempt'])}`)
    }
    await failCommand(['commitTransaction'], refused, Infinity)
    t.equal((await send('POST', '/again/4')).status, 500, 'not for ever')
    t.same(await ids(), [2, 3])
  })

  await t.test('a reply that was sent without being returned is no success when its commit fails', async (t) => {
    const { send, ids, failCommand } = await setup(t, {
      server,
      routes (app) {
        app.post('/', onMongo, async (request, reply) => {
          await insert(request, 1)
          reply.code(201).send({})
        })
      }
    })
    await failCommand(['commitTransaction'], { errorCode: 251, errorLabels: ['TransientTransactionError'] })
    t.equal((await send('POST', '/')).status, 500)
    t.same(await ids(), [])
  })

  await t.test('a client that goes away during the commit leaves it alone', async (t) => {
    const committing = signal()
    const { send, ids, client, failCommand } = await setup(t, {
      server,
      routes (app) {
        app.post('/', onMongo, async (request) => {
          await insert(request, 1)
          return {}
        })
      }
    })
    client.on('commandStarted', ({ commandName }) => {
      if (commandName === 'commitTransaction') committing.give()
    })
    await failCommand(['commitTransaction'], { blockConnection: true, blockTimeMS: 200 })
    const sent = send('POST', '/')
    await committing.given
    sent.abort()
    await t.rejects(sent)
    t.ok(await comesTrue(async () => (await ids()).length === 1))
  })

  await t.test('write conflicts run the handler again: three requests on one counter all count', async (t) => {
    let runs = 0
    let readers = 0
    const allHaveRead = signal()
    const { send, db } = await setup(t, {
      server,
      routes (app) {
        app.post('/', mongoRoute({ retries: 20 }), async (request, reply) => {
          runs++
          reply.header(`x-attempt-${request.transaction.attempt}`, 'yes')
          const counters = request.mongo.collection<Item>('item')
          const { n = 0 } = await counters.findOne({ _id: 1 }) ?? {}
          if (++readers === 3) allHaveRead.give()
          await allHaveRead.given
          await counters.updateOne({ _id: 1 }, { $set: { n: n + 1 } }, { upsert: true })
          return { attempt: request.transaction.attempt }
        })
      }
    })
    const answers = await Promise.all([1, 2, 3].map(() => send('POST', '/')))
    t.same(answers.map(({ status }) => status), [200, 200, 200])
    t.match(await db.collection<Item>('item').findOne({ _id: 1 }), { n: 3 })
    t.ok(runs > 3, 'somebody had to try again')
    for (const { json, headers } of answers) {
      t.same(
        Object.keys(headers).filter((name) => name.startsWith('x-attempt')),
        [`x-attempt-${String(json.attempt)}`],
        'headers of failed attempts are gone'
      )
    }
  })

  await t.test('a transient error runs the handler again also when it was swallowed, and a broken connection does', async (t) => {
    const { lines, logger } = logLines()
    const { send, ids, failCommand } = await setup(t, {
      server,
      fastify: { logger },
      routes (app) {
        app.post('/swallowed/:id', mongoRoute({ retries: 2 }), async (request) => {
          await insert(request, Number((request.params as { id: string }).id)).catch(() => {})
          return { attempt: request.transaction.attempt }
        })
        app.post('/many', mongoRoute({ retries: 2 }), async (request) => {
          await request.mongo.collection<Item>('item').insertMany([{ _id: 10 }, { _id: 11 }])
          return { attempt: request.transaction.attempt }
        })
      }
    })
    await failCommand(['insert'], { errorCode: 112, errorLabels: ['TransientTransactionError'] })
    t.match(await send('POST', '/swallowed/1'), { status: 200, json: { attempt: 2 } })
    await failCommand(['insert'], { closeConnection: true })
    t.match(await send('POST', '/swallowed/2'), { status: 200, json: { attempt: 2 } })
    await failCommand(['insert'], { closeConnection: true })
    t.match(await send('POST', '/many'), { status: 200, json: { attempt: 2 } })
    t.same(await ids(), [1, 2, 10, 11])
    t.match(lines.filter(({ transaction }) => transaction !== undefined).at(0), {
      transaction: { store: 'mongo', outcome: 'committed', attempts: 2, statements: 1 }
    })
  })

  await t.test('app.transaction commits, rolls back and runs again on the same engine', async (t) => {
    const { app, ids, failCommand } = await setup(t, { server, routes () {} })
    const options = { store: 'mongo', retries: 2 } as const
    let attempts = 0
    await failCommand(['commitTransaction'], { errorCode: 251, errorLabels: ['TransientTransactionError'] })
    t.equal(
      await app.transaction(async (transaction) => {
        attempts = transaction.attempt
        await transaction.mongo.collection<Item>('item').insertOne({ _id: 1 })
        return 'done'
      }, options),
      'done'
    )
    t.equal(attempts, 2)
    await t.rejects(
      app.transaction(async (transaction) => {
        await transaction.mongo.collection<Item>('item').insertOne({ _id: 2 })
        throw new Error('mine')
      }, options),
      { message: 'mine' }
    )
    t.same(await ids(), [1])
  })

  await t.test('app.transaction: a commit that is never confirmed is outcome unknown', async (t) => {
    const { app, ids, failCommand, openTransactions } = await setup(t, {
      server,
      plugin: { commitTimeout: 400 },
      routes () {}
    })
    await failCommand(['commitTransaction'], { closeConnection: true }, Infinity)
    await t.rejects(
      app.transaction(async (transaction) => {
        await transaction.mongo.collection<Item>('item').insertOne({ _id: 1 })
      }, { store: 'mongo', retries: 2 }),
      { code: 'TX_OUTCOME_UNKNOWN' }
    )
    t.ok(await comesTrue(async () => await openTransactions() === 0))
    t.same(await ids(), [])
  })
}
