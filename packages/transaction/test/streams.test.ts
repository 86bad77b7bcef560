// Streamed replies: after the COMMIT, or out of the open transaction.
import { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import QueryStream from 'pg-query-stream'
import type { FastifyRequest } from 'fastify'
import type { Submittable } from 'pg'
import t, { type Test } from 'tap'
import { database, logLines, poolDefaults, setup, test, transactional, comesTrue, type Database } from './harness.ts'
import { insert } from './statements.ts'

let db: Database
t.before(async () => {
  db = await database(t)
})

interface Cursor extends Submittable {
  read: (rows: number) => Promise<Array<{ n: number }>>
  close: () => Promise<void>
}
const getCursor = (text: string) => new QueryStream(text).cursor as Cursor

test('streamed replies', async (t) => {
  const chunks = (...texts: string[]) => Readable.from(texts)
  const failing = (...texts: string[]) =>
    new Readable({
      read () {
        const text = texts.shift()
        setImmediate(() => {
          if (text === undefined) this.destroy(new Error('the source failed'))
          else this.push(text)
        })
      }
    })
  const web = (...texts: string[]) =>
    new ReadableStream({
      pull (controller) {
        const text = texts.shift()
        if (text === undefined) controller.close()
        else controller.enqueue(new TextEncoder().encode(text))
      }
    })
  const payloads: Record<string, () => unknown> = {
    '/node': () => chunks('one ', 'two'),
    '/empty': () => chunks(),
    '/buffered': () => {
      const stream = new Readable({ read () {} })
      stream.push('one ')
      stream.push('two')
      stream.push(null)
      return stream
    },
    '/web': () => web('one ', 'two'),
    '/response': () => new Response('one two', { status: 203, headers: { 'x-own': 'yes' } }),
    '/response-stream': () => new Response(web('one ', 'two')),
    '/fails-before': () => failing(),
    '/web-fails-before': () =>
      new ReadableStream({
        pull (controller) {
          controller.error(new Error('the source failed'))
        }
      }),
    '/destroyed': () => failing().destroy(),
    '/destroyed-soon': () => {
      const stream = new Readable({ read () {} })
      setImmediate(() => stream.destroy())
      return stream
    },
    '/locked': () => {
      const stream = web('one')
      stream.getReader()
      return stream
    },
    '/response-404': () => new Response('no', { status: 404 }),
    '/response-used': () => {
      const response = new Response('one')
      void response.text()
      return response
    },
    '/objects': () => Readable.from([{ an: 'object' }, { another: 1 }]),
    '/fails-after': () => failing('one ')
  }
  const { send } = await setup(t, {
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
        reply.code(201).send(
          new Readable({
            read () {
              setTimeout(() => {
                this.push('late')
                this.push(null)
              }, 20)
            }
          })
        )
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
  for (
    const [path, status, text] of [
      ['/node', 200, 'one two'],
      ['/empty', 200, ''],
      ['/buffered', 200, 'one two'],
      ['/web', 200, 'one two'],
      ['/response', 203, 'one two'],
      ['/response-stream', 200, 'one two'],
      ['/unreturned', 201, 'late'],
      ['/throws-after', 201, 'one two'],
      ['/response-throws-after', 201, '1 2 3 ']
    ] as const
  ) {
    await db.admin.query('truncate item')
    t.match(await send('POST', path), { status, text }, path)
    t.same(await db.ids(), [1], `${path} is committed`)
  }
  await db.admin.query('truncate item')
  for (
    const path of [
      '/fails-before',
      '/web-fails-before',
      '/destroyed',
      '/destroyed-soon',
      '/locked',
      '/response-404',
      '/response-used',
      '/objects',
      '/throws-before'
    ]
  ) {
    t.equal((await send('POST', path)).status, path === '/response-404' ? 404 : 500, path)
    t.same(await db.ids(), [], `${path} is rolled back`)
  }
  await t.rejects(
    send('POST', '/fails-after'),
    { code: 'ECONNRESET' },
    'after its first byte a failing stream breaks the connection'
  )
  t.same(await db.ids(), [1], 'and is committed')
})

async function readsWhileOpen (t: Test): Promise<void> {
  const { lines, logger } = logLines()
  const rows = 20_000
  const text = `select n from generate_series(1, ${rows}) n`
  const json = async function* (source: AsyncIterable<{ n: number }>) {
    for await (const { n } of source) yield `${n}\n`
  }
  const states: string[] = []
  const { send, pool } = await setup(t, {
    database: db,
    fastify: { logger },
    pool: { max: 1 },
    routes: (app) => {
      const options = {
        config: { transaction: { stream: true, accessMode: 'read only', isolationLevel: 'repeatable read' } }
      } as const
      app.get('/rows', options, async (request) => {
        await request.transaction.query('select 1')
        return Readable.from(json(await request.transaction.query(new QueryStream(text))))
      })
      app.get('/cursor', options, async (request) => {
        const cursor = await request.transaction.query(getCursor(text))
        const some = await cursor.read(10)
        await cursor.close()
        await request.transaction.query('select 1')
        states.push(request.transaction.state)
        return some
      })
      app.get('/open-cursor', options, async (request) => {
        const cursor = await request.transaction.query(getCursor(text))
        return Readable.from((await cursor.read(10)).map(({ n }) => `${n}\n`))
      })
      app.get(
        '/breaks',
        options,
        async (request) =>
          Readable.from(
            json(
              await request.transaction.query(
                new QueryStream('select 1 / (n - 500) as n from generate_series(1, 1000) n')
              )
            )
          )
      )
      app.get(
        '/breaks-first',
        options,
        async (request) => Readable.from(json(await request.transaction.query(new QueryStream('select 1 / 0 as n'))))
      )
      app.get(
        '/deadline',
        { config: { transaction: { ...options.config.transaction, deadline: 100 } } },
        async (request) =>
          Readable.from(json(await request.transaction.query(new QueryStream('select pg_sleep(60), 1 as n'))))
      )
      app.get('/killed', options, async (request) => {
        const { rows } = await request.transaction.query<{ pid: number }>('select pg_backend_pid() as pid')
        async function* text () {
          yield 'one '
          await db.admin.query('select pg_terminate_backend($1)', [rows[0]?.pid])
          await comesTrue(() => request.transaction.state === 'lost')
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
  t.ok(await comesTrue(() => lines.some((line) => line['msg'] === 'the transaction of a streamed reply has ended')))
  t.match(lines.find((line) => line['msg'] === 'the transaction of a streamed reply has ended'), {
    transaction: { outcome: 'committed', statements: 2 }
  })
  const broken = send('GET', '/rows')
  broken.catch(() => {})
  broken.request.once('response', (response) => {
    response.once('data', () => {
      broken.abort()
    })
  })
  t.ok(
    await comesTrue(() => broken.request.destroyed && pool.idleCount === 1),
    'an aborted download frees the connection'
  )
  t.match(
    await send('GET', '/cursor'),
    { status: 200, json: Array },
    'a cursor that is closed leaves the connection to the next statement'
  )
  t.same(states, ['open'])
  const pid = async () => (await pool.query<{ pid: number }>('select pg_backend_pid() as pid')).rows[0]?.pid
  const sameAsBefore = await pid()
  t.equal((await send('GET', '/open-cursor')).status, 200)
  t.equal(await pid(), sameAsBefore, 'a cursor left open is closed, and its connection kept')
  await t.rejects(send('GET', '/breaks'), { code: 'ECONNRESET' })
  t.equal((await send('GET', '/breaks-first')).status, 500)
  t.match(await send('GET', '/deadline'), { status: 504, json: { code: 'TX_TIMEOUT' } })
  t.match(
    await send('GET', '/value'),
    { status: 500, json: { code: 'TX_ABORTED' } },
    'a reply that is no stream commits before its first byte as ever'
  )
  t.equal((await send('GET', '/conflict')).status, 409)
  t.match(await send('GET', '/killed'), { status: 200, text: 'one two' })
  t.ok(
    await comesTrue(() =>
      lines.some((line) => line['msg'] === 'the transaction of a streamed reply could not be committed')
    ),
    'what was read may be wrong, and the log says so'
  )
  t.match(await send('GET', '/objects'), { status: 500, json: { code: 'TX_USAGE', message: /made of objects/ } })
  t.match(await send('POST', '/no-stream'), { status: 500, json: { code: 'TX_USAGE' } })
}

async function closesReaders (t: Test): Promise<void> {
  const { send, pool } = await setup(t, {
    database: db,
    pool: { max: 1 },
    routes: (app) => {
      const options = { config: { transaction: { stream: true, accessMode: 'read only' } } } as const
      const numbers = (count: number) => `select n from generate_series(1, ${count}) n`
      const open: Record<string, (request: FastifyRequest) => Promise<unknown>> = {
        '/unread': async (request) => {
          await request.transaction.query(new QueryStream(numbers(5)))
        },
        '/unread-large': async (request) => {
          await request.transaction.query(new QueryStream(numbers(20_000)))
        },
        '/in-part': async (request) => {
          for await (const row of await request.transaction.query(new QueryStream(numbers(20_000)))) return row
        },
        '/cursor': async (request) => await (await request.transaction.query(getCursor(numbers(100)))).read(5),
        '/cursor-busy': async (request) => {
          void (await request.transaction.query(getCursor(numbers(20_000)))).read(20_000)
        },
        '/cursor-read': async (request) => await (await request.transaction.query(getCursor(numbers(3)))).read(5),
        '/two-in-turn': async (request) => {
          await (await request.transaction.query(getCursor(numbers(3)))).read(5)
          await (await request.transaction.query(getCursor(numbers(3)))).read(1)
        },
        '/read-then-statement': async (request) => {
          const rows: unknown[] = []
          for await (const row of await request.transaction.query(new QueryStream(numbers(300)))) rows.push(row)
          return { rows: rows.length, result: (await request.transaction.query('select 1 as n')).rows }
        },
        '/left-then-statement': async (request) => {
          for await (const _row of await request.transaction.query(new QueryStream(numbers(20_000)))) break
          return (await request.transaction.query('select 1 as n')).rows
        },
        '/not-awaited': async (request) => {
          void request.transaction.query(getCursor(numbers(100)))
        },
        '/committed': async (request) => {
          await request.transaction.query(new QueryStream(numbers(20_000)))
          await request.transaction.commit()
          return { state: request.transaction.state }
        },
        '/rolled-back': async (request) => {
          await request.transaction.query(new QueryStream(numbers(20_000)))
          await request.transaction.rollback()
        },
        '/fails': async (request) => {
          await request.transaction.query(getCursor(numbers(20_000)))
          throw new Error('with an open cursor')
        }
      }
      for (const [path, work] of Object.entries(open)) {
        app.get(path, options, async (request) => await work(request) ?? {})
      }
      const refused: Record<string, (request: FastifyRequest) => Promise<unknown>> = {
        '/statement': async (request) => await request.transaction.query('select 1'),
        '/second': async (request) => await request.transaction.query(getCursor(numbers(1))),
        '/read-later': async (request) => await request.transaction.query({ text: 'select 1', values: [] })
      }
      for (const [path, work] of Object.entries(refused)) {
        app.get(`/refused${path}`, options, async (request) => {
          const cursor = await request.transaction.query(getCursor(numbers(100)))
          await cursor.read(1)
          return await work(request)
        })
      }
      app.get('/control', options, async (request) => await request.transaction.query(getCursor('commit')))
      app.get('/broken', options, async (request) => {
        await request.transaction.query(new QueryStream('select no_such_column'))
        return {}
      })
    }
  })
  const pid = async () => (await pool.query<{ pid: number }>('select pg_backend_pid() as pid')).rows[0]?.pid
  const before = await pid()
  for (
    const path of [
      '/unread',
      '/unread-large',
      '/in-part',
      '/cursor',
      '/cursor-busy',
      '/cursor-read',
      '/two-in-turn',
      '/not-awaited',
      '/rolled-back',
      '/left-then-statement'
    ]
  ) {
    t.equal((await send('GET', path)).status, 200, path)
  }
  t.match(await send('GET', '/read-then-statement'), { status: 200, json: { rows: 300, result: [{ n: 1 }] } })
  t.match(await send('GET', '/committed'), { status: 200, json: { state: 'committed' } })
  t.equal((await send('GET', '/fails')).status, 500)
  for (const path of ['/statement', '/second', '/read-later']) {
    t.match(
      await send('GET', `/refused${path}`),
      { status: 500, json: { code: 'TX_USAGE', message: /is still open/ } },
      path
    )
  }
  t.match(await send('GET', '/control'), { status: 500, json: { code: 'TX_USAGE', message: /^COMMIT cannot be sent/ } })
  t.equal((await send('GET', '/broken')).status, 500, 'an error that nobody read is no success')
  t.equal(await pid(), before, 'the connection is kept')
}

async function refusesCursors (t: Test): Promise<void> {
  const { send } = await setup(t, {
    database: db,
    routes: (app) => {
      app.get(
        '/rows',
        { config: { transaction: { stream: true, accessMode: 'read only' } } },
        async (request) => Readable.from(await request.transaction.query(new QueryStream('select 1 as n')))
      )
    }
  })
  t.equal((await send('GET', '/rows')).status, 500)
}

if (poolDefaults.pipeline === true) test('stream: true has no cursors on a pipelined connection', refusesCursors)
else test('stream: true keeps the transaction while the reply is read from it', readsWhileOpen)
if (poolDefaults.pipeline !== true) {
  test('a cursor or query stream that is not read to its end is closed before COMMIT and ROLLBACK', closesReaders)
}
