import { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import QueryStream from 'pg-query-stream'
import type { FastifyRequest } from 'fastify'
import type { Submittable } from 'pg'
import t, { type Test } from 'tap'
import { database, logLines, poolDefaults, recordStatements, sendTo, signal, stage, test, transactional, until, type Database } from './harness.ts'

let db: Database
t.before(async () => { db = await database(t) })
const insert = (request: FastifyRequest, id: number) => request.transaction.query('insert into item values ($1)', [id])
const activity = async (text: string) => {
  const { rows } = await db.admin.query<{ pid: number }>("select pid from pg_stat_activity where datname = current_database() and state = 'active' and query like $1 and pid <> pg_backend_pid()", [`%${text}%`])
  return rows.map(({ pid }) => pid)
}

interface Cursor extends Submittable { read: (rows: number) => Promise<Array<{ n: number }>>, close: () => Promise<void> }
const cursorOf = (text: string) => new QueryStream(text).cursor as Cursor

test('a client that goes away takes the work with it', async (t) => {
  const steps: Record<string, ReturnType<typeof signal>> = {}
  const step = (name: string) => steps[name] ??= signal()
  const { send, pool } = await stage(t, {
    database: db,
    routes: (app) => {
      for (const [method, suffix] of [['POST', ''], ['GET', '-by-get']] as const) {
        const waiting = (path: string, rest: (request: FastifyRequest) => unknown) => {
          app.route({
            method,
            url: path + suffix,
            ...transactional,
            handler: async (request) => {
              await insert(request, 1)
              step(path + suffix).give()
              await step(`${path + suffix} gone`).given
              return await rest(request)
            }
          })
        }
        waiting('/value', () => ({}))
        waiting('/undefined', () => undefined)
        waiting('/writes', (request) => insert(request, 2))
        waiting('/never', () => new Promise(() => {}))
      }
      app.post('/before-its-first-statement', transactional, async (request) => {
        step('arrived').give()
        await step('left').given
        await insert(request, 3)
        return {}
      })
    }
  })
  for (const path of ['/value', '/undefined', '/writes', '/never']) {
    for (const [method, suffix] of [['POST', ''], ['GET', '-by-get']] as const) {
      const sent = send(method, path + suffix)
      await step(path + suffix).given
      sent.abort()
      t.ok(await until(() => pool.idleCount === pool.totalCount), `${method} ${path}: the connection is back at once`)
      step(`${path + suffix} gone`).give()
      await sleep(10)
      t.same(await db.ids(), [], `${method} ${path}: nothing is stored`)
    }
  }
  const before = pool.totalCount
  const early = send('POST', '/before-its-first-statement')
  await step('arrived').given
  early.abort()
  await sleep(50)
  step('left').give()
  await sleep(50)
  t.same(await db.ids(), [], 'nor is anything begun for a client that has left')
  t.equal(pool.totalCount, before)
})

test('a client that goes away while it is queued for a connection', async (t) => {
  const free = signal()
  const statements: string[] = []
  const { send, pool } = await stage(t, {
    database: db,
    pool: { max: 1 },
    routes: (app, pool) => {
      recordStatements(pool, statements)
      app.post('/holds', transactional, async (request) => {
        await insert(request, 1)
        await free.given
        return {}
      })
      app.post('/queued', transactional, async (request) => await insert(request, 2))
      app.post('/queued-late', { config: { transaction: { deadline: 80 } } }, async (request) => await insert(request, 3))
      app.post('/behind', transactional, async (request) => {
        await insert(request, 4)
        return {}
      })
    }
  })
  const holder = send('POST', '/holds')
  await until(() => pool.totalCount === 1 && pool.idleCount === 0)
  const queued = send('POST', '/queued')
  await until(() => pool.waitingCount === 1)
  queued.abort()
  const late = await send('POST', '/queued-late')
  t.match(late, { status: 504, json: { code: 'TX_TIMEOUT' } }, 'a deadline ends the wait while the pool is still busy')
  t.equal(pool.waitingCount, 2)
  const behind = send('POST', '/behind')
  free.give()
  t.equal((await holder).status, 200)
  t.equal((await behind).status, 200)
  t.same(await db.ids(), [1, 4])
  t.equal(statements.filter((text) => text === 'BEGIN').length, 2, 'connections that came too late were handed back unused')
})

test('a client that goes away during a statement, and during COMMIT', async (t) => {
  const { send, pool } = await stage(t, {
    database: db,
    pool: { max: 1 },
    routes: (app) => {
      app.post('/sleeps', transactional, async (request) => {
        await insert(request, 1)
        await request.transaction.query('select pg_sleep(60)')
        return {}
      })
      app.post('/slow-commit', transactional, async (request) => {
        await insert(request, 2)
        await request.transaction.query('insert into slow values (1, 800)')
        return {}
      })
    }
  })
  await pool.query('select 1')
  const sleeping = send('POST', '/sleeps')
  t.ok(await until(async () => (await activity('pg_sleep(60)')).length === 1))
  const [pid] = await activity('pg_sleep(60)')
  sleeping.abort()
  t.ok(await until(() => pool.idleCount === 1), 'the statement is cancelled')
  const { rows } = await pool.query<{ pid: number }>('select pg_backend_pid() as pid')
  t.equal(rows[0]?.pid, pid, 'and its connection kept')
  t.same(await db.ids(), [])
  const committing = send('POST', '/slow-commit')
  t.ok(await until(async () => (await activity('COMMIT')).length === 1))
  committing.abort()
  t.ok(await until(() => pool.idleCount === 1))
  t.same(await db.ids(), [2], 'a COMMIT that has begun is not interrupted')
})

test("clientAbort: 'continue' stores what the client did not wait for", async (t) => {
  const gone = signal()
  const { lines, logger } = logLines()
  let arrived = 0
  let waiting = 0
  let left = 0
  const untilGone = () => {
    waiting++
    return gone.given
  }
  const { send } = await stage(t, {
    database: db,
    fastify: { logger },
    routes: (app) => {
      const options = { config: { transaction: { clientAbort: 'continue', deadline: 20_000 } } } as const
      app.addHook('preHandler', async (_request, reply) => {
        arrived++
        reply.raw.once('close', () => { left++ })
      })
      const working = (path: string, id: number, rest: (request: FastifyRequest) => unknown) => {
        app.post(path, options, async (request) => {
          await insert(request, id)
          await untilGone()
          return await rest(request)
        })
      }
      working('/value', 1, () => ({}))
      working('/undefined', 2, () => undefined)
      working('/writes', 3, async (request) => { await insert(request, 30) })
      working('/throws', 4, () => { throw new Error('no') })
      app.post('/conflict', options, async (request, reply) => {
        await insert(request, 5)
        await untilGone()
        reply.code(409)
      })
      app.post('/orphan', options, async (request) => {
        await request.transaction.query('insert into child values (1, 99)')
        await untilGone()
      })
      app.post('/first-statement', options, async (request) => {
        await untilGone()
        await insert(request, 6)
      })
      app.post('/callback', options, (request, reply) => {
        insert(request, 7).then(untilGone).then(() => reply.send({}), () => {})
      })
      app.post('/stream', options, async (request) => {
        await insert(request, 8)
        return new Readable({ read () { untilGone().then(() => { this.push('late'); this.push(null) }, () => {}) } })
      })
    }
  })
  const paths = ['/value', '/undefined', '/writes', '/throws', '/conflict', '/orphan', '/first-statement', '/callback', '/stream']
  const all = paths.map((path) => send('POST', path))
  // Five hold a connection, one needs none yet, the others are queued.
  await until(() => arrived === all.length && waiting >= 6)
  for (const sent of all) sent.abort()
  await until(() => left === all.length)
  gone.give()
  t.ok(await until(async () => JSON.stringify(await db.ids()) === '[1,2,3,6,7,8,30]'), 'successes are committed, the rest is not')
  t.same(await db.ids(), [1, 2, 3, 6, 7, 8, 30])
  t.ok(await until(() => lines.some((line) => line['msg'] === 'the client had gone and the transaction could not be committed')), 'a COMMIT that fails for nobody is logged')
})

test('deadlines', async (t) => {
  const { send } = await stage(t, {
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
      app.post('/slow-error-hook', { ...options, onError: async () => { await sleep(100) } }, async (request) => {
        await request.transaction.query('select pg_sleep(60)')
      })
      app.post('/returns-in-error-hook', { ...options, onError: async () => { await sleep(150) } }, async (request) => {
        await insert(request, 1)
        await sleep(200)
        return {}
      })
      app.post('/slow-send-hook', { ...options, onSend: async () => { await sleep(200) } }, async (request) => {
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
  for (const path of ['/sleeps', '/idle', '/late-query', '/late-value', '/swallows', '/floating', '/no-statement', '/silent-stream', '/slow-error-hook', '/returns-in-error-hook', '/slow-send-hook']) {
    const answer = await send('POST', path)
    t.match(answer, { status: 504, json: { code: 'TX_TIMEOUT' } }, path)
    t.match(answer.json['message'], /deadline of 120 ms/)
    t.same(await db.ids(), [], `${path} stored nothing`)
  }
  t.match(await send('POST', '/slow-commit'), { status: 200, json: { own: true } }, 'a COMMIT that has begun is not interrupted')
  t.same(await db.ids(), [9])
  await sleep(200)
})

test("Fastify's own timeouts", async (t) => {
  const { send, pool } = await stage(t, {
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
  t.match(await send('GET', '/slow-commit'), { status: 201, headers: { 'x-own': 'yes' }, json: { own: true } }, 'the reply that is committing answers')
  t.same(await db.ids(), [1])
  for (const path of ['/sleeps', '/late-write', '/silent-stream']) t.equal((await send('GET', path)).status, 503, path)
  await sleep(150)
  t.same(await db.ids(), [1])
})

test('connectionTimeout ends a handler that never does', async (t) => {
  const { send, pool } = await stage(t, {
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
  t.ok(await until(() => pool.idleCount === pool.totalCount), 'its connection is back')
  t.same(await db.ids(), [])
})

test('streamed replies', async (t) => {
  const chunks = (...texts: string[]) => Readable.from(texts)
  const failing = (...texts: string[]) => new Readable({
    read () {
      const text = texts.shift()
      setImmediate(() => { if (text === undefined) this.destroy(new Error('the source failed')); else this.push(text) })
    }
  })
  const web = (...texts: string[]) => new ReadableStream({
    pull (controller) {
      const text = texts.shift()
      if (text === undefined) controller.close()
      else controller.enqueue(new TextEncoder().encode(text))
    }
  })
  const payloads: Record<string, () => unknown> = {
    '/node': () => chunks('one ', 'two'),
    '/empty': () => chunks(),
    '/buffered': () => { const stream = new Readable({ read () {} }); stream.push('one '); stream.push('two'); stream.push(null); return stream },
    '/web': () => web('one ', 'two'),
    '/response': () => new Response('one two', { status: 203, headers: { 'x-own': 'yes' } }),
    '/response-stream': () => new Response(web('one ', 'two')),
    '/fails-before': () => failing(),
    '/web-fails-before': () => new ReadableStream({ pull (controller) { controller.error(new Error('the source failed')) } }),
    '/destroyed': () => failing().destroy(),
    '/destroyed-soon': () => { const stream = new Readable({ read () {} }); setImmediate(() => stream.destroy()); return stream },
    '/locked': () => { const stream = web('one'); stream.getReader(); return stream },
    '/response-404': () => new Response('no', { status: 404 }),
    '/response-used': () => { const response = new Response('one'); void response.text(); return response },
    '/objects': () => Readable.from([{ an: 'object' }, { another: 1 }]),
    '/fails-after': () => failing('one ')
  }
  const { send } = await stage(t, {
    database: db,
    routes: (app) => {
      for (const [path, payload] of Object.entries(payloads)) {
        app.post(path, transactional, async (request) => {
          await insert(request, 1)
          return payload()
        })
      }
      app.post('/unreturned', transactional, async (request, reply) => {
        await insert(request, 1)
        reply.code(201).send(new Readable({ read () { setTimeout(() => { this.push('late'); this.push(null) }, 20) } }))
      })
      app.post('/throws-after', transactional, async (request, reply) => {
        await insert(request, 1)
        reply.code(201).send(chunks('one ', 'two'))
        await sleep(20)
        throw new Error('too late')
      })
      app.post('/response-throws-after', transactional, async (request, reply) => {
        await insert(request, 1)
        let pulls = 0
        const slow = new ReadableStream({
          async pull (controller) {
            await sleep(30)
            if (++pulls > 3) controller.close()
            else controller.enqueue(new TextEncoder().encode(`${pulls} `))
          }
        })
        reply.send(new Response(slow, { status: 201 }))
        await sleep(70)
        throw new Error('while it is read')
      })
      app.post('/throws-before', transactional, async (request, reply) => {
        await insert(request, 1)
        reply.code(201).send(new Readable({ read () {} }))
        await sleep(20)
        throw new Error('while nothing was sent')
      })
    }
  })
  for (const [path, status, text] of [['/node', 200, 'one two'], ['/empty', 200, ''], ['/buffered', 200, 'one two'], ['/web', 200, 'one two'], ['/response', 203, 'one two'], ['/response-stream', 200, 'one two'], ['/unreturned', 201, 'late'], ['/throws-after', 201, 'one two'], ['/response-throws-after', 201, '1 2 3 ']] as const) {
    await db.admin.query('truncate item')
    t.match(await send('POST', path), { status, text }, path)
    t.same(await db.ids(), [1], `${path} is committed`)
  }
  await db.admin.query('truncate item')
  for (const path of ['/fails-before', '/web-fails-before', '/destroyed', '/destroyed-soon', '/locked', '/response-404', '/response-used', '/objects', '/throws-before']) {
    t.equal((await send('POST', path)).status, path === '/response-404' ? 404 : 500, path)
    t.same(await db.ids(), [], `${path} is rolled back`)
  }
  await t.rejects(send('POST', '/fails-after'), { code: 'ECONNRESET' }, 'after its first byte a failing stream breaks the connection')
  t.same(await db.ids(), [1], 'and is committed')
})

test('slow clients hold no connection', async (t) => {
  const { origin, pool, send } = await stage(t, {
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
  await new Promise((resolve) => { request.on('close', resolve) })
  const { connect } = await import('node:net')
  const { hostname, port } = new URL(origin)
  const slow = connect(Number(port), hostname)
  slow.write('POST /upload HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n{"a":')
  await sleep(50)
  t.equal(pool.totalCount, 0, 'during an upload')
  slow.write('"b"}')
  await new Promise((resolve) => { slow.once('data', resolve) })
  slow.destroy()
  const reader = connect(Number(port), hostname)
  reader.write('POST /download HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}')
  await new Promise((resolve) => { reader.once('readable', resolve) })
  t.equal(pool.idleCount, pool.totalCount, 'while the client reads')
  t.same(await db.ids(), [1, 2])
  reader.destroy()
  t.equal((await send('GET', '/nowhere')).status, 404)
  const late = connect(Number(port), hostname)
  late.pause().write('POST /throws-later HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}')
  await sleep(200)
  let read = 0
  for await (const chunk of late) read += (chunk as Buffer).length
  t.ok(read > 20_000_000, 'a handler that throws while its reply is read does not break it off')
})

async function readsWhileOpen (t: Test): Promise<void> {
  const { lines, logger } = logLines()
  const rows = 20_000
  const text = `select n from generate_series(1, ${rows}) n`
  const json = async function * (source: AsyncIterable<{ n: number }>) { for await (const { n } of source) yield `${n}\n` }
  const states: string[] = []
  const { send, pool } = await stage(t, {
    database: db,
    fastify: { logger },
    pool: { max: 1 },
    routes: (app) => {
      const options = { config: { transaction: { stream: true, accessMode: 'read only', isolationLevel: 'repeatable read' } } } as const
      app.get('/rows', options, async (request) => {
        await request.transaction.query('select 1')
        return Readable.from(json(await request.transaction.query(new QueryStream(text))))
      })
      app.get('/cursor', options, async (request) => {
        const cursor = await request.transaction.query(cursorOf(text))
        const some = await cursor.read(10)
        await cursor.close()
        await request.transaction.query('select 1')
        states.push(request.transaction.state)
        return some
      })
      app.get('/open-cursor', options, async (request) => {
        const cursor = await request.transaction.query(cursorOf(text))
        return Readable.from((await cursor.read(10)).map(({ n }) => `${n}\n`))
      })
      app.get('/breaks', options, async (request) => Readable.from(json(await request.transaction.query(new QueryStream('select 1 / (n - 500) as n from generate_series(1, 1000) n')))))
      app.get('/breaks-first', options, async (request) => Readable.from(json(await request.transaction.query(new QueryStream('select 1 / 0 as n')))))
      app.get('/deadline', { config: { transaction: { ...options.config.transaction, deadline: 100 } } }, async (request) =>
        Readable.from(json(await request.transaction.query(new QueryStream('select pg_sleep(60), 1 as n')))))
      app.get('/killed', options, async (request) => {
        const { rows } = await request.transaction.query<{ pid: number }>('select pg_backend_pid() as pid')
        async function * text () {
          yield 'one '
          await db.admin.query('select pg_terminate_backend($1)', [rows[0]?.pid])
          await until(() => request.transaction.state === 'lost')
          yield 'two'
        }
        return Readable.from(text())
      })
      app.get('/objects', options, async (request) => await request.transaction.query(new QueryStream(text)))
      app.get('/value', options, async (request) => {
        await request.transaction.query('select 1 / 0').catch(() => {})
        return {}
      })
      app.get('/conflict', options, async (request, reply) => {
        await request.transaction.query('select 1')
        return await reply.code(409).send({})
      })
      app.post('/no-stream', transactional, async (request) => await request.transaction.query(new QueryStream(text)))
    }
  })
  const all = await send('GET', '/rows')
  t.equal(all.text.split('\n').length, rows + 1, 'all rows arrive')
  t.ok(await until(() => lines.some((line) => line['msg'] === 'the transaction of a streamed reply has ended')))
  t.match(lines.find((line) => line['msg'] === 'the transaction of a streamed reply has ended'), { transaction: { outcome: 'committed', statements: 2 } })
  const broken = send('GET', '/rows')
  broken.catch(() => {})
  broken.request.once('response', (response) => { response.once('data', () => { broken.abort() }) })
  t.ok(await until(() => broken.request.destroyed && pool.idleCount === 1), 'an aborted download frees the connection')
  t.match(await send('GET', '/cursor'), { status: 200, json: Array }, 'a cursor that is closed leaves the connection to the next statement')
  t.same(states, ['open'])
  const pid = async () => (await pool.query<{ pid: number }>('select pg_backend_pid() as pid')).rows[0]?.pid
  const sameAsBefore = await pid()
  t.equal((await send('GET', '/open-cursor')).status, 200)
  t.equal(await pid(), sameAsBefore, 'a cursor left open is closed, and its connection kept')
  await t.rejects(send('GET', '/breaks'), { code: 'ECONNRESET' })
  t.equal((await send('GET', '/breaks-first')).status, 500)
  t.match(await send('GET', '/deadline'), { status: 504, json: { code: 'TX_TIMEOUT' } })
  t.match(await send('GET', '/value'), { status: 500, json: { code: 'TX_ABORTED' } }, 'a reply that is no stream commits before its first byte as ever')
  t.equal((await send('GET', '/conflict')).status, 409)
  t.match(await send('GET', '/killed'), { status: 200, text: 'one two' })
  t.ok(await until(() => lines.some((line) => line['msg'] === 'the transaction of a streamed reply could not be committed')), 'what was read may be wrong, and the log says so')
  t.match(await send('GET', '/objects'), { status: 500, json: { code: 'TX_USAGE', message: /made of objects/ } })
  t.match(await send('POST', '/no-stream'), { status: 500, json: { code: 'TX_USAGE' } })
}

async function refusesCursors (t: Test): Promise<void> {
  const { send } = await stage(t, {
    database: db,
    routes: (app) => {
      app.get('/rows', { config: { transaction: { stream: true, accessMode: 'read only' } } }, async (request) =>
        Readable.from(await request.transaction.query(new QueryStream('select 1 as n'))))
    }
  })
  t.equal((await send('GET', '/rows')).status, 500)
}

if (poolDefaults.pipeline === true) test('stream: true has no cursors on a pipelined connection', refusesCursors)
else test('stream: true keeps the transaction while the reply is read from it', readsWhileOpen)

test('closing the app lets open transactions end', async (t) => {
  const { app, send } = await stage(t, {
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
