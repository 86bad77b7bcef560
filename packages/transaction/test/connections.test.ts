// Who holds a connection and for how long.
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { database, sendTo, signal, setup, test, transactional, comesTrue, type Database } from './harness.ts'
import { insert } from './statements.ts'

let db: Database
t.before(async () => {
  db = await database(t)
})

test('no connection is taken without a statement', async (t) => {
  const { send, pool } = await setup(t, {
    database: db,
    routes: (app) => {
      const body = { body: { type: 'object', required: ['id'], properties: { id: { type: 'integer' } } } }
      app.post('/quiet', transactional, async (request) => {
        request.transaction.afterCommit(() => {})
        return { state: request.transaction.state }
      })
      app.post(
        '/refused',
        { ...transactional, onRequest: async (_request, reply) => await reply.code(401).send({}) },
        async (request) => await insert(request, 1)
      )
      app.post('/invalid', { ...transactional, schema: body }, async (request) => await insert(request, 1))
      app.post('/forbidden', {
        ...transactional,
        preHandler: async (_request, reply) => await reply.code(403).send({})
      }, async (request) => await insert(request, 1))
      app.post('/upload', transactional, async (request) => {
        await insert(request, 1)
        return {}
      })
    }
  })
  t.match(await send('POST', '/quiet'), { status: 200, json: { state: 'idle' } })
  t.equal((await send('POST', '/refused')).status, 401)
  t.equal((await send('POST', '/invalid', {})).status, 400)
  t.equal((await send('POST', '/forbidden')).status, 403)
  t.equal((await send('GET', '/nowhere')).status, 404)
  t.equal(pool.totalCount, 0, 'the pool was never asked')
})

test('an exhausted pool is 503 and says when to come back', async (t) => {
  const free = signal()
  const { send, pool } = await setup(t, {
    database: db,
    pool: { max: 1 },
    plugin: (pool) => ({ pool, retryAfter: 7 }),
    routes: (app) => {
      app.post('/holds', transactional, async (request) => {
        await insert(request, 1)
        await free.given
        return {}
      })
      app.post('/waits', transactional, async (request) => await insert(request, 2))
      app.post('/swallows', transactional, async (request) => {
        await insert(request, 2).catch(() => {})
        return {}
      })
      app.post(
        '/waits-longer',
        { config: { transaction: { deadline: 2000 } } },
        async (request) => await insert(request, 3)
      )
    }
  })
  // Short for those who wait; opening the connection may take longer.
  await pool.query('select 1')
  pool.options.connectionTimeoutMillis = 100
  const holder = send('POST', '/holds')
  await comesTrue(async () => pool.totalCount === 1 && pool.idleCount === 0)
  t.match(await send('POST', '/waits'), {
    status: 503,
    headers: { 'retry-after': '7' },
    json: { code: 'TX_POOL_TIMEOUT' }
  })
  t.match(
    await send('POST', '/swallows'),
    { status: 503, json: { code: 'TX_POOL_TIMEOUT' } },
    'also when the handler swallows it'
  )
  free.give()
  t.equal((await holder).status, 200)
  t.same(await db.ids(), [1])
})

test('a second checkout inside a transaction is refused', async (t) => {
  const { send } = await setup(t, {
    database: db,
    pool: { max: 1 },
    routes: (app, pool) => {
      app.post('/query', transactional, async (request) => {
        await insert(request, 1)
        await pool.query('select 1')
      })
      app.post('/connect', transactional, async (request) => {
        await insert(request, 1)
        await pool.connect()
      })
      app.post('/callback', transactional, (request, reply) => {
        insert(request, 1).then(() => {
          pool.connect((error) => {
            reply.send(error)
          })
        }, () => {})
      })
      app.post('/nested', transactional, async (request) => {
        await insert(request, 1)
        await app.transaction(async (inner) => {
          await inner.query('select 1')
        })
      })
      app.post('/within', transactional, async (request) => {
        await app.transaction(async (outer) => {
          await outer.query('select 1')
          await insert(request, 1)
        })
      })
      app.post('/before', transactional, async (request) => {
        const { rows } = await pool.query<{ n: number }>('select 1 as n')
        await app.transaction(async (inner) => {
          await inner.query('select 1')
        })
        await insert(request, 2)
        return rows[0]
      })
    }
  })
  for (const path of ['/query', '/connect', '/callback', '/nested', '/within']) {
    t.match(await send('POST', path), { status: 500, json: { code: 'TX_USAGE' } }, path)
  }
  t.match(await send('POST', '/before'), { status: 200, json: { n: 1 } }, 'before the first statement the pool is free')
  t.same(await db.ids(), [2])
})

test('slow clients hold no connection', async (t) => {
  const { origin, pool, send } = await setup(t, {
    database: db,
    routes: (app) => {
      app.post('/upload', transactional, async (request) => {
        await insert(request, 1)
        return {}
      })
      app.post('/download', transactional, async (request) => {
        await insert(request, 2)
        return Buffer.alloc(40_000_000, 'x')
      })
      app.post('/throws-later', transactional, async (request, reply) => {
        await insert(request, 3)
        reply.send(Buffer.alloc(20_000_000, 'x'))
        await sleep(100)
        throw new Error('while the client reads')
      })
    }
  })
  const { request } = sendTo(origin)('GET', '/nowhere')
  await new Promise((resolve) => {
    request.on('close', resolve)
  })
  const { connect } = await import('node:net')
  const { hostname, port } = new URL(origin)
  const slow = connect(Number(port), hostname)
  slow.write(
    'POST /upload HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n{"a":'
  )
  await sleep(50)
  t.equal(pool.totalCount, 0, 'during an upload')
  slow.write('"b"}')
  await new Promise((resolve) => {
    slow.once('data', resolve)
  })
  slow.destroy()
  const reader = connect(Number(port), hostname)
  reader.write('POST /download HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}')
  await new Promise((resolve) => {
    reader.once('readable', resolve)
  })
  t.equal(pool.idleCount, pool.totalCount, 'while the client reads')
  t.same(await db.ids(), [1, 2])
  reader.destroy()
  t.equal((await send('GET', '/nowhere')).status, 404)
  const late = connect(Number(port), hostname)
  late.pause().write(
    'POST /throws-later HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}'
  )
  await sleep(200)
  let read = 0
  for await (const chunk of late) read += (chunk as Buffer).length
  t.ok(read > 20_000_000, 'a handler that throws while its reply is read does not break it off')
})

test('closing the app lets open transactions end', async (t) => {
  const { app, send } = await setup(t, {
    database: db,
    fastify: { forceCloseConnections: false },
    routes: (app) => {
      app.post('/open', transactional, async (request) => {
        await insert(request, 1)
        closing = app.close()
        await sleep(50)
        await insert(request, 2)
        return {}
      })
    }
  })
  let closing: Promise<void> = Promise.resolve()
  t.equal((await send('POST', '/open')).status, 200)
  await closing
  t.same(await db.ids(), [1, 2])
  t.equal(app.server.listening, false)
})
