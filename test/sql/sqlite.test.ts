import { setTimeout as sleep } from 'node:timers/promises'
import { inspect } from 'node:util'
import t from 'tap'
import { createThings } from '../fixture/tables.ts'
import { mapError } from 'fastify-transaction'
import { comesTrue } from '../helper.ts'
import { failure, fileApp, never, openApp, otherProgram } from './sqlite-app.ts'

t.test('pragmas of every connection', async (t) => {
  const wanted = { foreign_keys: 1, synchronous: 1, busy_timeout: 0 }
  const ask = async (query: (sql: string) => Promise<{ rows: Array<Record<string, unknown>> }>, pragma: string) =>
    Object.values((await query(`pragma ${pragma}`)).rows[0] ?? {})[0]

  t.test('a file: the writer and each reader', async (t) => {
    const { pool } = await fileApp(t, { DATABASE_POOL_SIZE: 3 })
    await pool.query('create table t (v)')
    const writer = await pool.begin({ readOnly: false, isAborted: never })
    const readers = await Promise.all([1, 2, 3].map(() => pool.begin({ readOnly: true, isAborted: never })))
    for (const session of [writer, ...readers]) {
      const query = session.query.bind(session)
      for (const [pragma, value] of Object.entries({ ...wanted, journal_mode: 'wal' })) {
        t.equal(await ask(query, pragma), value, pragma)
      }
    }
    t.same([pool.counts.writes.open, pool.counts.reads.open], [1, 3])
    for (const session of [writer, ...readers]) await session.end('rollback')
  })

  t.test('memory: one connection for everything', async (t) => {
    const { pool } = await openApp(t, ':memory:')
    for (const [pragma, value] of Object.entries(wanted)) {
      t.equal(await ask(pool.query.bind(pool), pragma), value, pragma)
    }
    const holder = await pool.begin({ readOnly: false, isAborted: never })
    const [read, write] = [pool.query('select 1 as one'), pool.query('create table t (v)')]
    t.equal(pool.counts.reads.waiting, 2, 'everything else queues behind a transaction')
    await holder.end('commit')
    t.same((await read).rows, [{ one: 1 }])
    await write
    t.equal(pool.counts.reads.open, 1)
  })

  t.test('foreign keys hold', async (t) => {
    const { app, pool } = await openApp(t, ':memory:')
    await createThings(app)
    const error = await failure(pool.query("insert into things (name, part_of) values ('a', 99)"))
    t.match(mapError(error), { status: 409, type: 'reference' })
  })
})

t.test('waiting', async (t) => {
  t.test('writers take turns in the order they came', async (t) => {
    const { pool } = await fileApp(t)
    await pool.query('create table turns (id integer primary key, who)')
    const holder = await pool.begin({ readOnly: false, isAborted: never })
    const writers = Array.from({ length: 20 }, async (_, who) => {
      const session = await pool.begin({ readOnly: false, isAborted: never })
      await session.query('insert into turns (who) values ($1)', [who])
      await sleep(1)
      await session.end('commit')
    })
    await holder.end('commit')
    await Promise.all(writers)
    const { rows } = await pool.query<{ who: number }>('select who from turns order by id')
    t.same(rows.map(({ who }) => who), Array.from({ length: 20 }, (_, who) => who))
  })

  t.test('a reader that stays does not hold up a writer, and sees one state', async (t) => {
    const { pool } = await fileApp(t)
    await pool.query('create table t (v)')
    const reader = await pool.begin({ readOnly: true, isAborted: never })
    const count = async () => (await reader.query<{ n: number }>('select count(*) as n from t')).rows[0]?.n
    t.equal(await count(), 0)
    await pool.query('insert into t values (1)')
    t.equal((await pool.query('select * from t')).rowCount, 1)
    t.equal(await count(), 0)
    await t.rejects(reader.query('insert into t values (2)'), { code: 'SQLITE_READONLY' })
    await reader.end('commit')
    t.equal((await pool.query('insert into t values (2)')).rowCount, 1, 'its connection is not read only for the next')
  })

  t.test('a wait ends after the pool timeout, or at once when too many wait', async (t) => {
    const { pool } = await fileApp(t, { DATABASE_POOL_TIMEOUT_MS: 200, DATABASE_POOL_MAX_WAITING: 1 })
    const holder = await pool.begin({ readOnly: false, isAborted: never })
    const waiting = failure(pool.query('create table t (v)'))
    t.match(mapError(await failure(pool.query('create table u (v)'))), {
      status: 503,
      type: 'pool-exhausted',
      retryAfter: 1
    })
    t.equal(pool.counts.writes.waiting, 1)
    t.match(mapError(await waiting), { status: 503, type: 'pool-exhausted' })
    await holder.end('commit')
    t.equal((await pool.query('select * from sqlite_master')).rowCount, 0)
  })

  t.test('who has given up is passed over', async (t) => {
    const { pool } = await fileApp(t)
    const holder = await pool.begin({ readOnly: false, isAborted: never })
    let gaveUp = false
    const isAborted = failure(pool.begin({ readOnly: false, isAborted: () => gaveUp }))
    const next = pool.begin({ readOnly: false, isAborted: never })
    gaveUp = true
    await holder.end('commit')
    t.match(await isAborted, { code: 'TX_POOL_TIMEOUT' })
    await (await next).end('rollback')
    t.same(pool.counts.writes, { open: 1, idle: 1, waiting: 0 })
  })
})

t.test('a lock that another process holds', async (t) => {
  t.test('/livez answers, readers read, writers get their turn when it is free', async (t) => {
    const { app, pool, file } = await fileApp(t)
    await pool.query('create table t (v integer primary key)')
    app.get('/livez', () => ({ status: 'alive' }))
    app.post(
      '/',
      async (request) => (await request.transaction.query('insert into t values (null) returning v')).rows[0]
    )
    const origin = await app.listen({ host: '127.0.0.1', port: 0 })
    const other = await otherProgram(t, file)
    await other.run('begin immediate')
    const writes = Array.from({ length: 5 }, async () => (await fetch(origin, { method: 'POST' })).json())
    let answered = 0
    for (let i = 0; i < 10; i++) {
      if ((await fetch(`${origin}/livez`)).ok) answered++
      t.equal((await pool.query('select * from t')).rowCount, 0)
      await sleep(10)
    }
    t.equal(answered, 10, 'liveness never waited')
    await other.run('commit')
    t.same((await Promise.all(writes)).map((row) => (row as { v: number }).v).sort(), [1, 2, 3, 4, 5])
  })

  t.test('longer than the timeout: 503, and the connection that met it is not used again', async (t) => {
    const { pool, file } = await fileApp(t, { DATABASE_POOL_TIMEOUT_MS: 100 })
    await pool.query('create table t (v)')
    const other = await otherProgram(t, file)
    await other.run('begin immediate')
    t.match(mapError(await failure(pool.query('insert into t values (1)'))), {
      status: 503,
      type: 'lock-timeout',
      retryAfter: 1
    })
    t.match(mapError(await failure(pool.begin({ readOnly: false, isAborted: never }))), {
      status: 503,
      type: 'lock-timeout'
    })
    await other.run('commit')
    const session = await pool.begin({ readOnly: false, isAborted: never })
    await session.query('insert into t values (1)')
    await session.end('commit')
    t.equal((await pool.query('select * from t')).rowCount, 1)
  })

  t.test('a request whose deadline passes stops waiting', async (t) => {
    const { app, pool, file } = await fileApp(t, {
      HANDLER_TIMEOUT_MS: 300,
      DATABASE_TRANSACTION_TIMEOUT_MS: 250,
      DATABASE_STATEMENT_TIMEOUT_MS: 200,
      DATABASE_LOCK_TIMEOUT_MS: 100
    })
    await pool.query('create table t (v)')
    app.post('/', async (request) => request.transaction.query('insert into t values (1)'))
    await app.ready()
    const other = await otherProgram(t, file)
    await other.run('begin immediate')
    t.equal((await app.inject({ method: 'POST', url: '/' })).statusCode, 504)
    t.ok(
      await comesTrue(() => pool.counts.writes.idle + pool.counts.writes.open === 0),
      'nothing polls for it any more'
    )
    await other.run('commit')
    t.equal((await pool.query('select * from t')).rowCount, 0, 'nothing was written late')
  })
})

t.test('values', async (t) => {
  const { app, pool } = await openApp(t, ':memory:')
  await createThings(app)
  await pool.query('create table v (t text, i integer, b blob)')
  const kept = async (text: unknown, integer: unknown) =>
    (await pool.query('insert into v (t, i) values ($1, $2) returning t, i', [text, integer])).rows[0]
  t.same(await kept(1, true), { t: '1', i: 1 }, 'whole numbers stay whole in text columns, booleans are 1 and 0')
  t.same(await kept({ a: 1 }, new Date(5)), { t: '{"a":1}', i: 5 })
  t.same(await kept(undefined, 2n ** 53n), { t: null, i: 2 ** 53 })
  t.same((await pool.query("select $2 as second, $1 as first, '$1' as quoted", ['a', 'b'])).rows, [{
    second: 'b',
    first: 'a',
    quoted: '$1'
  }])
  for (const refused of ['nul\0', NaN, Infinity, 2n ** 63n, new Date(NaN), Symbol('x')]) {
    t.match(mapError(await failure(kept('x', refused))), { status: 422, type: 'value-refused' }, inspect(refused))
  }
  t.match(mapError(await failure(pool.query('insert into things (name) values (null)'))), { status: 422 })
  await pool.query("insert into things (name) values ('A')")
  t.match(mapError(await failure(pool.query("insert into things (name) values ('A')"))), {
    status: 409,
    type: 'duplicate'
  })
})

t.test('echo', async (t) => {
  const { pool, log } = await openApp(t, ':memory:', { DATABASE_ECHO: true })
  await pool.query('select $1 as secret', ['hush'])
  t.match(log.at(-1), { msg: 'sql', statement: 'select $1 as secret' })
  t.notMatch(JSON.stringify(log), /hush/)
})

t.test('F38 a full disk: 503, nothing half, and the service goes on', async (t) => {
  const { app, pool } = await fileApp(t)
  await pool.query('create table t (v)')
  app.post('/', async (request) => {
    await request.transaction.query('insert into t values (1)')
    await request.transaction.query('pragma max_page_count = 3')
    await request.transaction.query('insert into t values (zeroblob(100000))')
    return {}
  })
  app.setErrorHandler((error, _request, reply) => reply.code(mapError(error)?.status ?? 500).send())
  t.equal((await app.inject({ method: 'POST', url: '/' })).statusCode, 503)
  t.equal((await pool.query('select * from t')).rowCount, 0)
  t.equal((await pool.query('insert into t values (1)')).rowCount, 1, 'on a new connection, without the limit')
})
