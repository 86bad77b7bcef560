import { setTimeout as sleep } from 'node:timers/promises'
import { inspect } from 'node:util'
import type { PoolClient } from 'pg'
import t, { type Test } from 'tap'
import { mapError } from 'fastify-transaction'
import type { Settings } from '../../schemas/settings.ts'
import { databases, comesTrue } from '../helper.ts'
import { Proxy } from '../proxy.ts'
import { smallApp } from './small-app.ts'

const pingAfter = 600

// One database for all: no test here looks at what another has stored.
let databaseUrl: string
t.before(async () => {
  ;({ databaseUrl } = await databases(t))
})

async function createPool (t: Test, settings: Partial<Settings> = {}) {
  const { app, log } = await smallApp(t, { DATABASE_URL: databaseUrl, ...settings })
  const { pool } = app.pg
  let opened = 0
  pool.on('connect', () => {
    opened++
  })
  return { app, log, pool, opened: () => opened }
}

async function proxied (t: Test, settings: Partial<Settings> = {}) {
  const proxy = await Proxy.start(databaseUrl)
  const small = await createPool(t, { ...settings, DATABASE_URL: proxy.through(databaseUrl) })
  t.teardown(() => proxy.close())
  return { ...small, proxy }
}

const answers = (pool: { query: (text: string) => Promise<unknown> }) =>
  pool.query('select 1').then(() => true, () => false)
const failure = (query: Promise<unknown>) => query.then(() => undefined, (reason: unknown) => reason)
const getPid = async (client: Pick<PoolClient, 'query'>) =>
  (await client.query<{ pid: number }>('select pg_backend_pid() as pid')).rows[0]?.pid
const take = (pool: { connect: () => Promise<PoolClient> }, count: number) =>
  Promise.all(Array.from({ length: count }, () => pool.connect()))

t.test('pool_size and max_overflow', async (t) => {
  t.test('the overflow is closed on return once `size` connections are idle', async (t) => {
    const { pool, opened } = await createPool(t, { DATABASE_POOL_SIZE: 2, DATABASE_MAX_OVERFLOW: 2 })
    const clients = await take(pool, 4)
    t.equal(pool.totalCount, 4)
    const seen: Array<[number, number]> = []
    for (const client of clients) {
      client.release()
      await comesTrue(() => pool.idleCount > 0)
      seen.push([pool.totalCount, pool.idleCount])
    }
    t.same(seen, [[4, 1], [4, 2], [3, 2], [2, 2]])
    for (const client of await take(pool, 2)) client.release()
    t.equal(opened(), 4, 'the kept ones are used again')
  })

  t.test('no connection beyond size and overflow; a return serves who waits instead of closing', async (t) => {
    const { pool, opened } = await createPool(t, { DATABASE_POOL_SIZE: 1, DATABASE_MAX_OVERFLOW: 1 })
    const [first, second] = await take(pool, 2)
    const third = pool.connect()
    t.equal(pool.waitingCount, 1)
    first?.release()
    const served = await third
    t.equal(served, first, 'the connection went on to the one who waited')
    t.equal(opened(), 2)
    second?.release()
    served.release()
    t.ok(await comesTrue(() => pool.totalCount === 1))
  })
})

t.test('pool_timeout and the bound of the queue', async (t) => {
  t.test('a wait ends after the pool timeout, as 503 with Retry-After', async (t) => {
    const { pool } = await createPool(t, {
      DATABASE_POOL_SIZE: 1,
      DATABASE_MAX_OVERFLOW: 0,
      DATABASE_POOL_TIMEOUT_MS: 500
    })
    // The same setting bounds connecting, for which a busy machine may need longer.
    t.ok(await comesTrue(() => answers(pool)), 'a connection is open')
    const holder = await pool.connect()
    const error = await failure(pool.query('select 1'))
    t.match(error, { code: 'TX_POOL_TIMEOUT' })
    t.same(mapError(error), { status: 503, type: 'pool-exhausted', retryAfter: 1 })
    t.equal(pool.waitingCount, 0)
    holder.release()
    t.equal((await pool.query('select 1')).rowCount, 1)
  })

  t.test('a full queue refuses at once, and those in it are served', async (t) => {
    const { pool } = await createPool(t, {
      DATABASE_POOL_SIZE: 1,
      DATABASE_MAX_OVERFLOW: 0,
      DATABASE_POOL_MAX_WAITING: 2
    })
    const holder = await pool.connect()
    const waiting = [pool.query('select 1'), pool.query('select 1')]
    await t.rejects(pool.connect(), { code: 'TX_POOL_TIMEOUT', statusCode: 503 })
    holder.release()
    t.equal((await Promise.all(waiting)).length, 2)
  })

  t.test('DATABASE_POOL_MAX_WAITING=0 lets nobody wait, and refuses nobody who need not', async (t) => {
    const { pool } = await createPool(t, {
      DATABASE_POOL_SIZE: 1,
      DATABASE_MAX_OVERFLOW: 0,
      DATABASE_POOL_MAX_WAITING: 0
    })
    const holder = await pool.connect()
    await t.rejects(pool.connect(), { code: 'TX_POOL_TIMEOUT' })
    holder.release()
    t.equal((await pool.query('select 1')).rowCount, 1)
  })
})

t.test('pool_recycle: an old connection is replaced, idle or on return', async (t) => {
  const { pool } = await createPool(t, { DATABASE_POOL_RECYCLE_S: 1 })
  const held = await pool.connect()
  const pid = await getPid(held)
  t.ok(await comesTrue(() => pool.expiredCount === 1), 'it grows old while it is used')
  t.equal(await getPid(held), pid, 'and is left alone until it comes back')
  held.release()
  t.not(await getPid(pool), pid)
  t.ok(await comesTrue(() => pool.totalCount === 0), 'an idle one is closed when its time comes')
})

t.test('reset on return', async (t) => {
  t.test('a connection that comes back inside a transaction is destroyed', async (t) => {
    const { pool } = await createPool(t, { DATABASE_POOL_SIZE: 1, DATABASE_MAX_OVERFLOW: 0 })
    const client = await pool.connect()
    const pid = await getPid(client)
    await client.query('begin')
    client.release()
    t.not(await getPid(pool), pid)
    t.ok(
      await comesTrue(async () =>
        (await pool.query('select 1 from pg_stat_activity where pid = $1', [pid])).rowCount === 0
      ),
      'its session has ended'
    )
  })

  t.test('a connection that comes back while a statement runs is destroyed', async (t) => {
    const { pool } = await createPool(t, { DATABASE_POOL_SIZE: 1, DATABASE_MAX_OVERFLOW: 0 })
    const client = await pool.connect()
    const pid = await getPid(client)
    const running = client.query('select pg_sleep(30)').catch((error: unknown) => error)
    client.release()
    t.not(await getPid(pool), pid)
    t.match(await running, /terminated/)
  })

  t.test('giving a connection back twice is a mistake that says so', async (t) => {
    const { pool } = await createPool(t)
    const client = await pool.connect()
    client.release()
    t.throws(() => {
      client.release()
    }, /release it once/)
    t.equal((await pool.query('select 1')).rowCount, 1)
  })
})

t.test('a statement that fails does not cost its connection', async (t) => {
  const { pool, opened } = await createPool(t)
  await pool.query('create table once (id integer primary key)')
  const inserts = Array.from({ length: 100 }, () => pool.query('insert into once values (1)'))
  const results = await Promise.allSettled(inserts)
  t.equal(results.filter(({ status }) => status === 'fulfilled').length, 1)
  t.ok(opened() <= 51, `${opened()} connections for 100 statements`)
  const before = opened()
  for (let i = 0; i < 20; i++) await t.rejects(pool.query('insert into once values (1)'), { code: '23505' })
  t.equal(opened(), before)
  const client = await pool.connect()
  await t.rejects(client.query('nonsense'), { code: '42601' })
  client.release()
  t.equal(opened(), before, "neither on a connection of one's own")
})

t.test('server-side bounds of autocommit statements', async (t) => {
  t.test('statement and lock timeout are set for the session', async (t) => {
    const { pool } = await createPool(t, { DATABASE_STATEMENT_TIMEOUT_MS: 1500, DATABASE_LOCK_TIMEOUT_MS: 700 })
    const { rows } = await pool.query(
      "select current_setting('statement_timeout') as s, current_setting('lock_timeout') as l, current_setting('application_name') as a"
    )
    t.match(rows, [{ s: '1500ms', l: '700ms' }])
  })

  t.test('?pgbouncer=true sends neither them nor names of statements', async (t) => {
    const url = new URL(databaseUrl)
    url.searchParams.set('pgbouncer', 'true')
    const { pool } = await createPool(t, { DATABASE_URL: url.href, DATABASE_POOL_SIZE: 1, DATABASE_MAX_OVERFLOW: 0 })
    t.same((await pool.query({ name: 'named', text: 'select $1::int as n', values: [1] })).rows, [{ n: 1 }])
    const { rows } = await pool.query(
      "select current_setting('statement_timeout') as s, (select count(*)::int from pg_prepared_statements where name = 'named') as named"
    )
    t.same(rows, [{ s: '0', named: 0 }])
  })
})

t.test('echo', async (t) => {
  const { app, log, pool } = await createPool(t, { DATABASE_ECHO: true })
  app.post('/things', async (request) => {
    await request.transaction.query('select $1::text as secret', ['hush'])
    return {}
  })
  const reply = await app.inject({ method: 'POST', url: '/things', payload: { a: 1 } })
  t.equal(reply.statusCode, 200)
  const lines = log.filter(({ msg, reqId }) => msg === 'sql' && reqId !== undefined)
  t.match(lines.map(({ statement }) => statement), [/^BEGIN/, 'select $1::text as secret', 'COMMIT'])
  t.ok(
    lines.every(({ reqId, milliseconds }) => reqId === 'req-1' && Number(milliseconds) > 0),
    'with the request and the duration'
  )
  t.notMatch(JSON.stringify(log), /hush/, 'without values')
  await pool.query('select 2')
  t.match(log.at(-1), { statement: 'select 2', reqId: undefined }, 'a statement of no request as well')
})

t.test('nothing in the log, in the pool or in an error shows the password', async (t) => {
  const { password } = new URL(databaseUrl)
  t.ok(password.length > 8, 'the server asks for one')
  const { pool, log } = await createPool(t)
  await pool.query('select 1')
  t.notOk((inspect(pool, { depth: 6, showHidden: false }) + JSON.stringify(log)).includes(password))
})

t.test('sessions that end', async (t) => {
  t.test('an idle one and one in use: the process lives, the next statement works', async (t) => {
    const { pool, log } = await createPool(t)
    const { pool: killer } = await createPool(t)
    const [idle, used] = await take(pool, 2)
    if (idle === undefined || used === undefined) throw new Error('two connections were asked for')
    const pids = [await getPid(idle), await getPid(used)]
    idle.release()
    await killer.query('select pg_terminate_backend(pid) from unnest($1::int[]) as pid', [pids])
    await t.rejects(used.query('select pg_sleep(5)'))
    used.release()
    t.ok(await comesTrue(() => pool.totalCount === 0))
    t.equal((await pool.query('select 1')).rowCount, 1)
    t.ok(log.some(({ msg }) => msg === 'a database connection was lost'))
  })
})

t.test('faults of the network', async (t) => {
  t.test('pre-ping: connections the network forgot are replaced, reset or silent', async (t) => {
    for (const ending of ['reset', 'silence'] as const) {
      const { pool, proxy, opened } = await proxied(t, { DATABASE_POOL_SIZE: 5 })
      for (const client of await take(pool, 5)) client.release()
      await sleep(pingAfter)
      proxy.forget(ending)
      for (let i = 0; i < 10; i++) t.equal((await pool.query('select 1')).rowCount, 1, `${ending}: statement ${i}`)
      t.ok(opened() > 5, 'new connections')
    }
  })

  t.test('without pre-ping the same statement fails', async (t) => {
    const { pool, proxy } = await proxied(t, { DATABASE_PRE_PING: false })
    await pool.query('select 1')
    await sleep(pingAfter)
    proxy.forget('reset')
    await t.rejects(pool.query('select 1'), /ECONNRESET|terminated/)
  })

  t.test('a dead connection that one request finds is found for all', async (t) => {
    const { pool, proxy } = await proxied(t, { DATABASE_POOL_SIZE: 5 })
    for (const client of await take(pool, 5)) client.release()
    await sleep(pingAfter)
    proxy.forget('silence')
    await pool.query('select 1')
    t.ok(await comesTrue(() => pool.totalCount <= 2), 'the other silent ones were closed meanwhile')
  })

  t.test('transactions find out by BEGIN', async (t) => {
    const { app, pool, proxy } = await proxied(t, { DATABASE_POOL_SIZE: 5 })
    app.post('/', async (request) => ({ rows: (await request.transaction.query('select 1')).rowCount }))
    for (const ending of ['reset', 'silence'] as const) {
      for (const client of await take(pool, 5)) client.release()
      proxy.forget(ending)
      for (let i = 0; i < 8; i++) {
        t.equal((await app.inject({ method: 'POST', url: '/' })).statusCode, 200, `${ending}: request ${i}`)
      }
    }
  })

  t.test('a route of one statement pings before it', async (t) => {
    const { app, pool, proxy } = await proxied(t, { DATABASE_POOL_SIZE: 5 })
    const schema = { response: { 200: { type: 'object', properties: { rows: { type: 'integer' } } } } }
    app.post(
      '/',
      { schema, config: { transaction: 'statement' } },
      async (request) => ({ rows: (await request.transaction.query('select 1')).rowCount })
    )
    await app.ready()
    for (const client of await take(pool, 5)) client.release()
    await sleep(pingAfter)
    proxy.forget('reset')
    for (let i = 0; i < 8; i++) {
      t.equal((await app.inject({ method: 'POST', url: '/' })).statusCode, 200, `request ${i}`)
    }
  })

  t.test('a server that restarts: statements that were not sent wait for it', async (t) => {
    const { pool, proxy } = await proxied(t)
    await pool.query('select 1') // a connection that dies with the server, unnoticed
    proxy.refuse()
    const during = Array.from({ length: 10 }, () => pool.query('select 1'))
    await sleep(300)
    proxy.accept()
    t.equal((await Promise.all(during)).length, 10)
  })

  t.test('a server that stays away is reported at once after the first seconds', async (t) => {
    const { pool, proxy } = await proxied(t)
    proxy.refuse()
    const error = await failure(pool.query('select 1'))
    t.match(mapError(error), { status: 503, type: 'database-unavailable' })
    const second = Promise.race([pool.query('select 1').catch(() => 'refused'), sleep(2000, 'still waiting')])
    t.equal(await second, 'refused')
    proxy.accept()
    t.equal((await pool.query('select 1')).rowCount, 1)
  })

  t.test('a server that accepts no connection in time: 503', async (t) => {
    const { pool, proxy } = await proxied(t, { DATABASE_POOL_TIMEOUT_MS: 1000 })
    proxy.pause()
    t.match(mapError(await failure(pool.connect())), { status: 503, type: 'database-unavailable' })
    proxy.resume()
    t.ok(await comesTrue(() => answers(pool)), 'and it works again')
  })

  t.test('a server that goes silent under a statement: 504, and the connection is given up', async (t) => {
    const { pool, proxy } = await proxied(t, { DATABASE_STATEMENT_TIMEOUT_MS: 300, DATABASE_LOCK_TIMEOUT_MS: 200 })
    const client = await pool.connect()
    const pid = await getPid(client)
    client.release()
    proxy.pause()
    const error = await failure(pool.query('select 1'))
    t.match(mapError(error), { status: 504, type: 'database-timeout' })
    t.equal(pool.totalCount, 0)
    proxy.resume()
    t.not(await getPid(pool), pid)
  })
})
