// The deadline of a transaction, and the timeouts of Fastify and its server.
import { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { database, setup, test, transactional, comesTrue, type Database } from './harness.ts'
import { insert } from './statements.ts'

let db: Database
t.before(async () => {
  db = await database(t)
})

test('F34 deadlines', async (t) => {
  const { send } = await setup(t, {
    database: db,
    routes: (app) => {
      const options = { config: { transaction: { deadline: 120 } } }
      app.post('/sleeps', options, async (request) => {
        await insert(request, 1)
        await request.transaction.query('select pg_sleep(60)')
        return {}
      })
      app.post('/idle', options, async (request) => {
        await insert(request, 1)
        await new Promise(() => {})
      })
      app.post('/late-query', options, async (request) => {
        await insert(request, 1)
        await sleep(300)
        await insert(request, 2)
      })
      app.post('/late-value', options, async (request) => {
        await insert(request, 1)
        await sleep(300)
        return {}
      })
      app.post('/swallows', options, async (request) => {
        await request.transaction.query('select pg_sleep(60)').catch(() => {})
        return {}
      })
      app.post('/floating', options, async (request) => {
        await insert(request, 1)
        request.transaction.query('select pg_sleep(60)').catch(() => {})
        return {}
      })
      app.post('/no-statement', options, async (request) => {
        await sleep(200)
        await insert(request, 1)
      })
      app.post('/silent-stream', options, async (request) => {
        await insert(request, 1)
        return new Readable({ read () {} })
      })
      app.post('/slow-error-hook', {
        ...options,
        onError: async () => {
          await sleep(100)
        }
      }, async (request) => {
        await request.transaction.query('select pg_sleep(60)')
      })
      app.post('/returns-in-error-hook', {
        ...options,
        onError: async () => {
          await sleep(150)
        }
      }, async (request) => {
        await insert(request, 1)
        await sleep(200)
        return {}
      })
      app.post('/slow-send-hook', {
        ...options,
        onSend: async () => {
          await sleep(200)
        }
      }, async (request) => {
        await insert(request, 1)
        return {}
      })
      app.post('/slow-commit', { config: { transaction: { deadline: 700 } } }, async (request) => {
        await insert(request, 9)
        await request.transaction.query('insert into slow values (1, 1000)')
        return { own: true }
      })
    }
  })
  for (
    const path of [
      '/sleeps',
      '/idle',
      '/late-query',
      '/late-value',
      '/swallows',
      '/floating',
      '/no-statement',
      '/silent-stream',
      '/slow-error-hook',
      '/returns-in-error-hook',
      '/slow-send-hook'
    ]
  ) {
    const answer = await send('POST', path)
    t.match(answer, { status: 504, json: { code: 'TX_TIMEOUT' } }, path)
    t.match(answer.json['message'], /deadline of 120 ms/)
    t.same(await db.ids(), [], `${path} stored nothing`)
  }
  t.match(
    await send('POST', '/slow-commit'),
    { status: 200, json: { own: true } },
    'a COMMIT that has begun is not interrupted'
  )
  t.same(await db.ids(), [9])
  await sleep(200)
})

test("Fastify's own timeouts", async (t) => {
  const { send, pool } = await setup(t, {
    database: db,
    routes: (app) => {
      // With a parsed body Fastify's handlerTimeout does not fire; see the README.
      app.get('/slow-commit', { ...transactional, handlerTimeout: 700 }, async (request, reply) => {
        await insert(request, 1)
        await request.transaction.query('insert into slow values (1, 1000)')
        reply.code(201).header('x-own', 'yes')
        return { own: true }
      })
      app.get('/sleeps', { ...transactional, handlerTimeout: 100 }, async (request) => {
        await insert(request, 2)
        await request.transaction.query('select pg_sleep(60)')
      })
      app.get('/late-write', { ...transactional, handlerTimeout: 100 }, async (request) => {
        await insert(request, 2)
        await sleep(200)
        await insert(request, 3)
      })
      app.get('/silent-stream', { ...transactional, handlerTimeout: 100 }, async (request) => {
        await insert(request, 2)
        return new Readable({ read () {} })
      })
    }
  })
  await pool.query('select 1')
  t.match(
    await send('GET', '/slow-commit'),
    { status: 201, headers: { 'x-own': 'yes' }, json: { own: true } },
    'the reply that is committing answers'
  )
  t.same(await db.ids(), [1])
  for (const path of ['/sleeps', '/late-write', '/silent-stream']) t.equal((await send('GET', path)).status, 503, path)
  await sleep(150)
  t.same(await db.ids(), [1])
})

test('connectionTimeout ends a handler that never does', async (t) => {
  const { send, pool } = await setup(t, {
    database: db,
    fastify: { connectionTimeout: 400 },
    routes: (app) => {
      app.post('/never', transactional, async (request) => {
        await insert(request, 2)
        await new Promise(() => {})
      })
    }
  })
  await t.rejects(send('POST', '/never'), { code: 'ECONNRESET' })
  t.ok(await comesTrue(() => pool.idleCount === pool.totalCount), 'its connection is back')
  t.same(await db.ids(), [])
})
