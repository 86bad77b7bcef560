// Clients that go away before they have their reply.
import { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import type { FastifyRequest } from 'fastify'
import t from 'tap'
import {
  database,
  logLines,
  recordStatements,
  signal,
  setup,
  test,
  transactional,
  comesTrue,
  type Database
} from './harness.ts'
import { insert } from './statements.ts'

let db: Database
t.before(async () => {
  db = await database(t)
})

/** The backends that run a statement with this text. */
const activity = async (text: string) => {
  const { rows } = await db.admin.query<{ pid: number }>(
    "select pid from pg_stat_activity where datname = current_database() and state = 'active' and query like $1 and pid <> pg_backend_pid()",
    [`%${text}%`]
  )
  return rows.map(({ pid }) => pid)
}

test('F31 a client that goes away takes the work with it', async (t) => {
  const steps: Record<string, ReturnType<typeof signal>> = {}
  const step = (name: string) => steps[name] ??= signal()
  const { lines, logger } = logLines()
  const { send, pool } = await setup(t, {
    database: db,
    fastify: { logger },
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
      t.ok(
        await comesTrue(() => pool.idleCount === pool.totalCount),
        `${method} ${path}: the connection is back at once`
      )
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
  t.ok(lines.some(({ err }) => (err as { code?: string } | undefined)?.code === 'TX_CLIENT_GONE'))
  t.same(lines.filter(({ level }) => Number(level) >= 50), [], 'it is no error of the log')
})

test('F31 a client that goes away while it is queued for a connection', async (t) => {
  const free = signal()
  const statements: string[] = []
  const { send, pool } = await setup(t, {
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
      app.post(
        '/queued-late',
        { config: { transaction: { deadline: 80 } } },
        async (request) => await insert(request, 3)
      )
      app.post('/behind', transactional, async (request) => {
        await insert(request, 4)
        return {}
      })
    }
  })
  const holder = send('POST', '/holds')
  await comesTrue(() => pool.totalCount === 1 && pool.idleCount === 0)
  const queued = send('POST', '/queued')
  await comesTrue(() => pool.waitingCount === 1)
  queued.abort()
  const late = await send('POST', '/queued-late')
  t.match(late, { status: 504, json: { code: 'TX_TIMEOUT' } }, 'a deadline ends the wait while the pool is still busy')
  t.equal(pool.waitingCount, 2)
  const behind = send('POST', '/behind')
  free.give()
  t.equal((await holder).status, 200)
  t.equal((await behind).status, 200)
  t.same(await db.ids(), [1, 4])
  t.equal(
    statements.filter((text) => text === 'BEGIN').length,
    2,
    'connections that came too late were handed back unused'
  )
})

test('F31 a client that goes away during a statement, and during COMMIT', async (t) => {
  const { send, pool } = await setup(t, {
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
  t.ok(await comesTrue(async () => (await activity('pg_sleep(60)')).length === 1))
  const [pid] = await activity('pg_sleep(60)')
  sleeping.abort()
  t.ok(await comesTrue(() => pool.idleCount === 1), 'the statement is cancelled')
  const { rows } = await pool.query<{ pid: number }>('select pg_backend_pid() as pid')
  t.equal(rows[0]?.pid, pid, 'and its connection kept')
  t.same(await db.ids(), [])
  const committing = send('POST', '/slow-commit')
  t.ok(await comesTrue(async () => (await activity('COMMIT')).length === 1))
  committing.abort()
  t.ok(await comesTrue(() => pool.idleCount === 1))
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
  const { send } = await setup(t, {
    database: db,
    fastify: { logger },
    routes: (app) => {
      const options = { config: { transaction: { clientAbort: 'continue', deadline: 20_000 } } } as const
      app.addHook('preHandler', async (_request, reply) => {
        arrived++
        reply.raw.once('close', () => {
          left++
        })
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
      working('/writes', 3, async (request) => {
        await insert(request, 30)
      })
      working('/throws', 4, () => {
        throw new Error('no')
      })
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
        return new Readable({
          read () {
            untilGone().then(() => {
              this.push('late')
              this.push(null)
            }, () => {})
          }
        })
      })
    }
  })
  const paths = [
    '/value',
    '/undefined',
    '/writes',
    '/throws',
    '/conflict',
    '/orphan',
    '/first-statement',
    '/callback',
    '/stream'
  ]
  const all = paths.map((path) => send('POST', path))
  // Five hold a connection, one needs none yet, the others are queued.
  await comesTrue(() => arrived === all.length && waiting >= 6)
  for (const sent of all) sent.abort()
  await comesTrue(() => left === all.length)
  gone.give()
  t.ok(
    await comesTrue(async () => JSON.stringify(await db.ids()) === '[1,2,3,6,7,8,30]'),
    'successes are committed, the rest is not'
  )
  t.same(await db.ids(), [1, 2, 3, 6, 7, 8, 30])
  t.ok(
    await comesTrue(() =>
      lines.some((line) => line['msg'] === 'the client had gone and the transaction could not be committed')
    ),
    'a COMMIT that fails for nobody is logged'
  )
})
