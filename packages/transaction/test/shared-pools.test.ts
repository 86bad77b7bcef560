// A pool that is full, shared by several apps, or one of two; and what a session keeps.
import Fastify from 'fastify'
import pg from 'pg'
import t from 'tap'
import transaction from '../src/index.ts'
import {
  database,
  logLines,
  poolDefaults,
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

const newPool = () => new pg.Pool({ ...poolDefaults, connectionString: db.url, application_name: 'other' })

test('a full pool without a bound of its own is waited for as long as checkoutTimeout', async (t) => {
  const free = signal()
  const { send, pool } = await setup(t, {
    database: db,
    pool: { max: 1, connectionTimeoutMillis: 0 },
    plugin: (pool) => ({ pool, checkoutTimeout: 100, retryAfter: 7 }),
    routes: (app) => {
      app.post('/holds', transactional, async (request) => {
        await insert(request, 1)
        await free.given
        return {}
      })
      app.post('/waits', transactional, async (request) => await insert(request, 2))
      app.post(
        '/statement',
        { config: { transaction: 'statement' }, schema: { response: { 200: {} } } },
        async (request) => await insert(request, 3)
      )
      app.post('/job', async () => {
        await app.transaction(async (tx) => {
          await tx.query('select 1')
        })
      })
    }
  })
  const holder = send('POST', '/holds')
  await comesTrue(() => pool.totalCount === 1 && pool.idleCount === 0)
  for (const path of ['/waits', '/statement', '/job']) {
    t.match(await send('POST', path), {
      status: 503,
      headers: { 'retry-after': '7' },
      json: { code: 'TX_POOL_TIMEOUT' }
    }, path)
  }
  free.give()
  t.equal((await holder).status, 200, 'what comes later goes straight back')
  t.same(await db.ids(), [1])
})

test('closing is bounded although an after-commit callback never ends', async (t) => {
  const { lines, logger } = logLines()
  const { app, send } = await setup(t, {
    database: db,
    fastify: { logger },
    plugin: (pool) => ({ pool, closeTimeout: 50 }),
    routes: (app) => {
      app.post('/never', transactional, async (request) => {
        await insert(request, 1)
        request.transaction.afterCommit(() => {})
        request.transaction.afterCommit(() => new Promise(() => {}))
        request.transaction.afterCommit(() => {})
        return {}
      })
    }
  })
  t.equal((await send('POST', '/never')).status, 200)
  await app.close()
  const left = lines.filter((line) => String(line['msg']).startsWith('the app closes although after-commit callbacks'))
  t.match(left, [{ callbacks: 2, milliseconds: 50 }], 'said once, with how many are left')
})

test('many apps on one pool leave nothing on it', async (t) => {
  const pool = newPool()
  const { connect } = pool
  const warnings: string[] = []
  const onWarning = ({ name }: Error) => {
    warnings.push(name)
  }
  process.on('warning', onWarning)
  const before = ['error', 'acquire'].map((event) => pool.listenerCount(event))
  const apps = Array.from({ length: 15 }, () => Fastify())
  const [lastApp = Fastify(), ...others] = apps
  for (const app of apps) await app.register(transaction, { pool, detectOutsideQueries: true })
  for (const app of apps) {
    await app.transaction(async (tx) => {
      await tx.query('select 1')
    })
  }
  await t.rejects(
    lastApp.transaction(async (tx) => {
      await tx.query('select 1')
      await pool.query('select 1')
    }),
    { code: 'TX_USAGE' },
    'watched once for all'
  )
  for (const app of others) await app.close()
  await t.rejects(
    lastApp.transaction(async (tx) => {
      await tx.query('select 1')
      await pool.connect()
    }),
    { code: 'TX_USAGE' },
    'and as long as one of them lives'
  )
  await lastApp.close()
  process.off('warning', onWarning)
  t.same(['error', 'acquire'].map((event) => pool.listenerCount(event)), before)
  t.equal(pool.connect, connect)
  t.equal(Object.hasOwn(pool, 'connect'), false)
  t.same(warnings, [])
  await pool.end()
})

test('only the own pool of a transaction is watched', async (t) => {
  const other = newPool()
  const { send } = await setup(t, {
    database: db,
    routes: async (app, pool) => {
      const beside = Fastify()
      await beside.register(transaction, { pool: other, detectOutsideQueries: true })
      app.addHook('onClose', () => beside.close())
      app.post('/reads-other', transactional, async (request) => {
        await insert(request, 1)
        return (await other.query('select 1 as n')).rows
      })
      app.post('/nests-other', transactional, async (request) => {
        await insert(request, 2)
        await beside.transaction(async (tx) => {
          await tx.query('insert into item values (3)')
        })
        return {}
      })
      app.post('/through-other', transactional, async (request) => {
        await insert(request, 4)
        await beside.transaction(async (tx) => {
          await tx.query('select 1')
          await pool.query('select 1')
        })
        return {}
      })
    }
  })
  t.equal((await send('POST', '/reads-other')).status, 200)
  t.equal((await send('POST', '/nests-other')).status, 200)
  t.match(
    await send('POST', '/through-other'),
    { status: 500, json: { code: 'TX_USAGE' } },
    'the outer one still holds a connection of this pool'
  )
  t.same(await db.ids(), [1, 2, 3])
  await other.end()
})

test('resetSession: what a request set for its session is met by no other', async (t) => {
  await db.admin.query('create role low nologin; grant low to current_user')
  const statement = { config: { transaction: 'statement' }, schema: { response: { 200: {} } } } as const
  const { send, pool } = await setup(t, {
    database: db,
    pool: { max: 1 },
    plugin: (pool) => ({ pool, resetSession: true }),
    routes: (app) => {
      app.post('/set', transactional, async (request) => {
        for (
          const text of [
            "set app.tenant = 'red'",
            'set statement_timeout = 1234',
            'listen a',
            'select pg_advisory_lock(4711)',
            'create temp table x (i int)',
            'declare c cursor with hold for select 1',
            'set session authorization low'
          ]
        ) {
          await request.transaction.query(text)
        }
        return {}
      })
      app.post('/set-and-fail', transactional, async (request) => {
        await request.transaction.query('select pg_advisory_lock(4712)')
        throw new Error('rolled back')
      })
      app.post('/statement', statement, async (request) => {
        await request.transaction.query("set app.tenant = 'blue'")
        return {}
      })
      app.post(
        '/seen',
        transactional,
        async (request) =>
          (await request.transaction.query({
            name: 'seen',
            text: `select current_setting('app.tenant', true) as tenant, current_setting('statement_timeout') as time,
        current_user = session_user and current_user <> 'low' as own, (select count(*)::int from pg_listening_channels()) as channels, (select count(*)::int from pg_cursors where name <> '') as cursors,
        (select count(*)::int from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()) as locks, to_regclass('pg_temp.x') as temporary,
        (select count(*)::int from pg_prepared_statements where name = 'seen') as prepared`
          })).rows[0]
      )
    }
  })
  const clean = { time: '0', own: true, channels: 0, cursors: 0, locks: 0, temporary: null }
  const seen = async () => {
    const { json } = await send('POST', '/seen')
    return { ...json, tenant: json['tenant'] ?? '' }
  }
  await send('POST', '/seen')
  for (const path of ['/set', '/set-and-fail', '/statement']) {
    await send('POST', path)
    t.match(await seen(), { ...clean, tenant: '' }, path)
  }
  t.equal((await seen() as { prepared?: number }).prepared, 1, 'prepared statements stay')
  t.equal(pool.totalCount, 1, 'on the same connection')
  await db.admin.query('drop role low')
})

test('resetSession: a connection that cannot be reset is thrown away', async (t) => {
  const { send, pool } = await setup(t, {
    database: db,
    pool: { max: 1 },
    plugin: (pool) => ({ pool, resetSession: true }),
    routes: (app, pool) => {
      pool.on('connect', (client) => {
        const query = client.query.bind(client) as (...args: unknown[]) => unknown
        let isFirst = true
        Object.assign(client, {
          query: (...args: unknown[]) => {
            if (!String(args[0]).startsWith('RESET') || !isFirst) return query(...args)
            isFirst = false
            return query('select 1 / 0')
          }
        })
      })
      app.post(
        '/',
        transactional,
        async (request) => (await request.transaction.query<{ pid: number }>('select pg_backend_pid() as pid')).rows[0]
      )
    }
  })
  const first = await send('POST', '/')
  t.equal(first.status, 200, 'the reply does not wait for it')
  t.ok(await comesTrue(() => pool.totalCount === 0))
  const second = await send('POST', '/')
  t.equal(second.status, 200)
  t.not(second.json['pid'], first.json['pid'])
})
