// Routes that send one statement without a transaction around it.
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { database, recordStatements, signal, setup, test, transactional, comesTrue, type Database } from './harness.ts'

let db: Database
t.before(async () => {
  db = await database(t)
})

test("'statement': one statement that commits by itself", async (t) => {
  const statements: string[] = []
  const free = signal()
  const { send, pool } = await setup(t, {
    database: db,
    pool: { max: 1 },
    plugin: (pool) => ({ pool, defaults: { deadline: 2000 } }),
    routes: (app, pool) => {
      recordStatements(pool, statements)
      const options = {
        config: { transaction: 'statement' },
        schema: { response: { 200: { type: 'object', properties: { id: { type: 'integer' } } } } }
      } as const
      app.post(
        '/one',
        options,
        async (request) => (await request.transaction.query('insert into item values (1) returning id')).rows[0]
      )
      app.post('/two', options, async (request) => {
        await request.transaction.query('insert into item values (2)')
        await request.transaction.query('insert into item values (3)')
      })
      app.post('/swallows', options, async (request) => {
        await request.transaction.query('insert into item values (1)').catch(() => {})
        return { id: 1 }
      })
      app.post('/begin', options, async (request) => await request.transaction.query('begin'))
      app.post(
        '/sleeps',
        options,
        async (request) => await request.transaction.query('insert into item select 4 from pg_sleep(60)')
      )
      app.post(
        '/killed',
        options,
        async (request) =>
          await request.transaction.query(
            'insert into item select 5 from pg_terminate_backend(pg_backend_pid()), pg_sleep(60)'
          )
      )
      app.post('/holds', transactional, async (request) => {
        await request.transaction.query('select 1')
        await free.given
        return {}
      })
    }
  })
  t.match(await send('POST', '/one'), { status: 200, json: { id: 1 } })
  t.same(statements, ['insert into item values (1) returning id'], 'no BEGIN, no COMMIT')
  t.match(await send('POST', '/two'), { status: 500, json: { code: 'TX_USAGE' } })
  t.match(await send('POST', '/swallows'), { status: 500, json: { code: 'TX_USAGE' } })
  t.match(await send('POST', '/begin'), { status: 500, json: { code: 'TX_USAGE' } })
  const sleeping = send('POST', '/sleeps')
  // A cancel that overtakes its statement stops nothing.
  await comesTrue(async () =>
    (await db.admin.query(
      "select 1 from pg_stat_activity where datname = current_database() and state = 'active' and query like '%pg_sleep(60)%' and pid <> pg_backend_pid()"
    )).rowCount === 1
  )
  sleeping.abort()
  t.ok(await comesTrue(() => pool.idleCount === 1), 'an abort cancels it')
  t.equal((await send('POST', '/killed')).status >= 500, true, 'a killed backend takes nothing with it')
  const holder = send('POST', '/holds')
  await comesTrue(() => pool.idleCount === 0 && pool.totalCount === 1)
  const queued = send('POST', '/one')
  await comesTrue(() => pool.waitingCount === 1)
  const before = statements.length
  queued.abort()
  await sleep(50)
  free.give()
  await holder
  await comesTrue(() => pool.idleCount === 1)
  t.same(
    statements.slice(before).filter((text) => text.startsWith('insert')),
    [],
    'a client that left the queue sends nothing'
  )
  t.same(await db.ids(), [1, 2], 'the price: what a statement did stays')
})
