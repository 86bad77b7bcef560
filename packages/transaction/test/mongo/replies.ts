import { Readable } from 'node:stream'
import type { FastifyRequest } from 'fastify'
import type { Test } from 'tap'
import { logLines, signal } from '../harness.ts'
import { mongoRoute, onMongo, setup, type Item, type Server } from './fixture.ts'

/** What the status of the reply, and failures behind the handler, do to the work. */
export async function replies (t: Test, server: Server): Promise<void> {
  await t.test('a 2xx or 3xx commits, anything else rolls back, however it is said', async (t) => {
    const { send, ids } = await setup(t, {
      server,
      routes (app) {
        app.post('/:id/:way', onMongo, async (request, reply) => {
          const { id, way } = request.params as { id: string; way: string }
          await request.mongo.collection<Item>('item').insertOne({ _id: Number(id) })
          if (way === 'throw') throw new Error('thrown')
          if (way === 'send') return await reply.code(404).send({ way })
          if (way === 'not-found') return reply.callNotFound()
          reply.code({ created: 201, moved: 303, missing: 404, busy: 503 }[way] ?? 200)
          return { way }
        })
      }
    })
    const expected = {
      ok: 200,
      created: 201,
      moved: 303,
      send: 404,
      missing: 404,
      'not-found': 404,
      busy: 503,
      throw: 500
    }
    for (const [id, [way, status]] of Object.entries(expected).entries()) {
      t.equal((await send('POST', `/${id}/${way}`)).status, status, way)
    }
    t.same(await ids(), [0, 1, 2])
  })

  await t.test('what fails after the handler rolls back: serialization, preSerialization, onSend', async (t) => {
    const schema = {
      response: { 200: { type: 'object', required: ['missing'], properties: { missing: { type: 'string' } } } }
    }
    const fail = async () => {
      throw new Error('hook')
    }
    const { send, ids } = await setup(t, {
      server,
      routes (app) {
        const insert = (_id: number) => async (request: FastifyRequest) => {
          await request.mongo.collection<Item>('item').insertOne({ _id })
          return {}
        }
        app.post('/schema', { ...onMongo, schema }, insert(1))
        app.post('/pre-serialization', { ...onMongo, preSerialization: fail }, insert(2))
        app.post('/on-send', { ...onMongo, onSend: fail }, insert(3))
        app.post('/header', onMongo, async (request, reply) => {
          await insert(4)(request)
          reply.raw.setHeader('x-good', 'yes')
          reply.header('x-bad', 'line\nbreak')
          return {}
        })
      }
    })
    for (const path of ['/schema', '/pre-serialization', '/on-send', '/header']) {
      t.equal((await send('POST', path)).status, 500, path)
    }
    t.same(await ids(), [])
  })

  await t.test('401, 400 and 403 before the handler, and a handler without an operation, open nothing', async (t) => {
    const commands: string[] = []
    const { send, client } = await setup(t, {
      server,
      routes (app) {
        const body = { type: 'object', required: ['name'], properties: { name: { type: 'string' } } }
        app.addHook('onRequest', async (request, reply) => {
          if (request.url === '/401') await reply.code(401).send({})
        })
        app.post('/401', onMongo, async () => ({}))
        app.post('/400', { ...onMongo, schema: { body } }, async () => ({}))
        app.post(
          '/403',
          { ...onMongo, preHandler: async (_request, reply) => await reply.code(403).send({}) },
          async () => ({})
        )
        app.post(
          '/200',
          onMongo,
          async (request) => ({ state: request.transaction.state, store: request.transaction.store })
        )
      }
    })
    client.on('commandStarted', ({ commandName }) => {
      commands.push(commandName)
    })
    for (const status of [401, 400, 403, 200]) t.equal((await send('POST', `/${status}`)).status, status)
    t.same((await send('POST', '/200')).json, { state: 'idle', store: 'mongo' })
    t.same(commands, [])
  })

  await t.test('a streamed reply commits at its first byte; one that fails before it rolls back', async (t) => {
    const { send, ids } = await setup(t, {
      server,
      routes (app) {
        app.post('/good', onMongo, async (request) => {
          await request.mongo.collection<Item>('item').insertOne({ _id: 1 })
          return Readable.from(['streamed'])
        })
        app.post('/bad', onMongo, async (request) => {
          await request.mongo.collection<Item>('item').insertOne({ _id: 2 })
          return new Readable({
            read () {
              this.destroy(new Error('before the first byte'))
            }
          })
        })
      }
    })
    t.match(await send('POST', '/good'), { status: 200, text: 'streamed' })
    t.equal((await send('POST', '/bad')).status, 500)
    t.same(await ids(), [1])
  })

  await t.test('a failed operation whose error was swallowed, or not awaited, is 500; it is named in the log and not run again', async (t) => {
    const { lines, logger } = logLines()
    let runs = 0
    const { send, ids } = await setup(t, {
      server,
      fastify: { logger },
      routes (app) {
        async function swallow (request: FastifyRequest): Promise<object> {
          runs++
          const items = request.mongo.collection<Item>('item')
          await items.insertOne({ _id: 1 })
          await items.insertOne({ _id: 1, note: 'a secret' }).catch(() => {})
          return {}
        }
        app.post('/swallowed', onMongo, swallow)
        app.post('/swallowed-with-retries', mongoRoute({ retries: 3 }), swallow)
        app.post('/floating', onMongo, async (request) => {
          await request.mongo.collection<Item>('item').insertOne({ _id: 2 })
          request.mongo.collection<Item>('item').insertOne({ _id: 2 }).catch(() => {})
          return {}
        })
      }
    })
    t.match(await send('POST', '/swallowed'), { status: 500, json: { code: 'TX_ABORTED' } })
    t.equal(runs, 1)
    t.match(await send('POST', '/swallowed-with-retries'), { status: 500, json: { code: 'TX_ABORTED' } })
    t.equal(runs, 2, 'a plain mistake is not run again')
    t.match(await send('POST', '/floating'), { status: 500, json: { code: 'TX_ABORTED' } })
    t.same(await ids(), [])
    const line = lines.find(({ statement }) => statement !== undefined)
    t.match(line, { level: 50, statement: 'insertOne on item' }, 'the log names the operation')
    t.notMatch(JSON.stringify(lines), 'a secret', 'and no value')
  })

  await t.test('reply.send() that is not returned commits too; operations after it are refused', async (t) => {
    const late = signal()
    let refusal: unknown
    const { send, ids } = await setup(t, {
      server,
      routes (app) {
        app.post('/send', onMongo, async (request, reply) => {
          await request.mongo.collection<Item>('item').insertOne({ _id: 1 })
          reply.send({ sent: true })
        })
        app.post('/send-then-write', onMongo, async (request, reply) => {
          await request.mongo.collection<Item>('item').insertOne({ _id: 2 })
          reply.send({ sent: true })
          await request.mongo.collection<Item>('item').insertOne({ _id: 3 }).catch((error: unknown) => {
            refusal = error
          })
          late.give()
          return await reply
        })
        app.post('/throw-after', onMongo, async (request, reply) => {
          await request.mongo.collection<Item>('item').insertOne({ _id: 4 })
          reply.code(201).header('x-mine', 'yes').send({ mine: true })
          throw new Error('after the reply')
        })
      }
    })
    t.match(await send('POST', '/send'), { status: 200, json: { sent: true } })
    t.match(await send('POST', '/send-then-write'), { status: 200, json: { sent: true } })
    await late.given
    t.match(refusal, { code: 'TX_CLOSED' })
    t.match(await send('POST', '/throw-after'), { status: 201, headers: { 'x-mine': 'yes' }, json: { mine: true } })
    t.same(await ids(), [1, 2, 4])
  })

  await t.test('explicit ends, dry runs, and what can no longer be taken back', async (t) => {
    const ran: string[] = []
    const { send, ids } = await setup(t, {
      server,
      routes (app) {
        app.post('/commit-twice', onMongo, async (request, reply) => {
          await request.mongo.collection<Item>('item').insertOne({ _id: 1 })
          request.transaction.afterCommit(() => {
            ran.push('commit-twice')
          })
          await request.transaction.commit()
          await request.transaction.commit()
          reply.code(409)
          return { state: request.transaction.state, time: request.transaction.operationTime !== undefined }
        })
        app.post('/rollback', onMongo, async (request) => {
          await request.mongo.collection<Item>('item').insertOne({ _id: 2 })
          request.transaction.afterCommit(() => {
            ran.push('rollback')
          })
          await request.transaction.rollback()
          return { state: request.transaction.state }
        })
        app.post('/dry-run', onMongo, async (request) => {
          await request.mongo.collection<Item>('item').insertOne({ _id: 3 })
          request.transaction.setRollbackOnly()
          return { time: request.transaction.operationTime ?? null }
        })
      }
    })
    t.match(await send('POST', '/commit-twice'), { status: 409, json: { state: 'committed', time: true } })
    t.match(await send('POST', '/rollback'), { status: 200, json: { state: 'rolled back' } })
    t.match(await send('POST', '/dry-run'), { status: 200, json: { time: null } })
    t.same(await ids(), [1])
    t.same(ran, ['commit-twice'])
  })

  await t.test('hijack and raw replies are refused while the transaction is open', async (t) => {
    const { send, ids } = await setup(t, {
      server,
      routes (app) {
        app.post('/hijack', onMongo, async (request, reply) => {
          await request.mongo.collection<Item>('item').insertOne({ _id: 1 })
          reply.hijack()
          reply.raw.end('hijacked')
        })
        app.post('/raw', onMongo, async (request, reply) => {
          await request.mongo.collection<Item>('item').insertOne({ _id: 2 })
          reply.raw.end('raw')
          return await reply
        })
        app.post('/hijack-after-commit', onMongo, async (request, reply) => {
          await request.mongo.collection<Item>('item').insertOne({ _id: 3 })
          await request.transaction.commit()
          reply.hijack()
          reply.raw.end('hijacked')
        })
      }
    })
    t.match(await send('POST', '/hijack'), { status: 500, json: { code: 'TX_USAGE' } })
    t.match(await send('POST', '/raw'), { status: 500, json: { code: 'TX_USAGE' } })
    t.match(await send('POST', '/hijack-after-commit'), { status: 200, text: 'hijacked' })
    t.same(await ids(), [3])
  })
}
