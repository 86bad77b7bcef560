// Replies over HTTP/2: what the client is told, and how long a slow one may hold a transaction.
import { once } from 'node:events'
import { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { database, setup, test, transactional, comesTrue, type Database } from './harness.ts'
import { failOnCrash, isTruth, openSession, post } from './truth.ts'
import { insert } from './statements.ts'

let db: Database
t.before(async () => {
  db = await database(t)
})

const http2 = { http2: true } as object
const long = 'x'.repeat(200_000)

test('replies of all sizes decide over HTTP/2 as over HTTP/1.1, and nothing warns', async (t) => {
  failOnCrash(t)
  const warnings: Error[] = []
  const warn = (warning: Error) => {
    warnings.push(warning)
  }
  process.on('warning', warn)
  const { origin } = await setup(t, {
    database: db,
    fastify: http2,
    routes: (app) => {
      app.post('/long', transactional, async (request) => {
        await insert(request, 1)
        return long
      })
      app.post('/long-stream', transactional, async (request) => {
        await insert(request, 1)
        return Readable.from([long])
      })
      app.post('/long-error', {
        ...transactional,
        errorHandler: async (_error, _request, reply) => await reply.code(500).send(long)
      }, async (request, reply) => {
        await insert(request, 1)
        reply.raw.end('by hand')
        return await reply
      })
      app.post('/conflict', transactional, async (request, reply) => {
        await insert(request, 1)
        return await reply.code(409).send(long)
      })
      for (const code of [204, 205, 304]) {
        app.post(`/${code}`, transactional, async (request, reply) => {
          await insert(request, 1)
          reply.code(code)
          return 'a text'
        })
      }
      app.post('/added', transactional, async (request) => {
        await insert(request, 1)
        request.transaction.beforeReply(() => ({ headers: { 'keep-alive': 'timeout=5' } }))
        request.transaction.beforeReply(() => ({ status: 202, headers: { 'x-added': 'yes' } }))
        return {}
      })
    }
  })
  const session = openSession(t, origin)
  for (
    const [path, status, length] of [
      ['/long', 200, long.length],
      ['/long-stream', 200, long.length],
      ['/long-error', 500, long.length],
      ['/conflict', 409, long.length],
      ['/204', 204, 0],
      ['/205', 205, 0],
      ['/304', 304, 0],
      ['/added', 202, 2]
    ] as const
  ) {
    const reported = await post(session, path).reported
    t.match({ ...reported, length: reported.text.length }, { status, length }, path)
    await isTruth(t, db, reported, path)
  }
  process.off('warning', warn)
  t.same(warnings, [])
})

test('a stream that fails after its first byte does not look complete', async (t) => {
  failOnCrash(t)
  const { origin } = await setup(t, {
    database: db,
    fastify: http2,
    routes: (app) => {
      app.post('/', transactional, async (request) => {
        await insert(request, 1)
        return Readable.from((async function* () {
          yield 'one'
          await sleep(30)
          throw new Error('the source failed')
        })())
      })
    }
  })
  t.match(await post(openSession(t, origin), '/').reported, { status: /^reset/ })
})

test('a client that takes nothing of a streamed reply is given up, whatever else its session receives', async (t) => {
  failOnCrash(t)
  const { origin, pool } = await setup(t, {
    database: db,
    fastify: http2,
    routes: (app) => {
      app.post(
        '/rows',
        { config: { transaction: { stream: true, accessMode: 'read only', streamIdleTimeout: 300 } } },
        async (request) => {
          await request.transaction.query('select 1')
          return new Readable({
            read () {
              this.push(long)
            }
          })
        }
      )
      app.post('/slow-rows', {
        config: { transaction: { stream: true, accessMode: 'read only', streamIdleTimeout: 300 } }
      }, async (request) => {
        await request.transaction.query('select 1')
        return Readable.from((async function* () {
          for (let n = 0; n < 10; n++) {
            await sleep(60)
            yield `${n} `
          }
        })())
      })
      app.post('/other', async () => 'bytes')
    }
  })
  const session = openSession(t, origin)
  const stalled = post(session, '/rows')
  await once(stalled.stream, 'response')
  stalled.stream.pause()
  t.equal(pool.idleCount, 0, 'the transaction is open')
  const talk = setInterval(() => {
    post(session, '/other')
  }, 50)
  t.ok(await comesTrue(() => pool.idleCount === pool.totalCount), 'the connection is back')
  clearInterval(talk)
  stalled.reset()
  t.match(
    await post(session, '/slow-rows').reported,
    { status: 200, text: '0 1 2 3 4 5 6 7 8 9 ' },
    'one that comes slowly is not idle'
  )
})
