// First statements in forms that pg sends in another way, or cannot send.
import type pg from 'pg'
import t from 'tap'
import { WAYS } from './begin-ways.ts'
import { database, setup, test, transactional, type Database } from './harness.ts'

let db: Database
t.before(async () => {
  db = await database(t)
})

// Where pg pipelines all statements it refuses them by itself.
for (const pipelineBegin of [true, false]) {
  test(`pipelineBegin ${pipelineBegin}: pages of rows`, async (t) => {
    const pages = (values: unknown[]) => ({
      text: `select generate_series(1, ${values.length > 0 ? '$1::int' : '10'})`,
      values,
      rows: 3
    })
    const { send } = await setup(t, {
      database: db,
      plugin: (pool) => ({ pool, pipelineBegin }),
      routes: (app) => {
        app.post('/pages', transactional, async (request) => {
          const { rows: first } = await request.transaction.query(pages([10]))
          const { rows: next } = await request.transaction.query(pages([]))
          return { first: first.length, next: next.length }
        })
      }
    })
    t.match(await send('POST', '/pages'), { status: 200, json: { first: 10, next: 10 } })
  })
}

for (const { way, pool, plugin } of WAYS) {
  test(`${way}: a name that is no text, and empty ones`, async (t) => {
    const wrong: unknown[] = [{ name: 5, text: 'select $1::int', values: [1] }, { name: {}, text: 'select 1' }]
    const right: unknown[] = [{ name: '', text: 'select 1' }, { name: null, text: 'select $1', values: [1] }, {
      text: '',
      values: [1]
    }]
    const { send, pool: own } = await setup(t, {
      database: db,
      pool: { ...pool, max: 1 },
      plugin,
      routes: (app) => {
        for (const [n, statement] of [...wrong, ...right].entries()) {
          app.post(`/${n}`, transactional, async (request) => {
            await request.transaction.query(statement as pg.QueryConfig)
            return {}
          })
        }
      }
    })
    for (const n of [...wrong, ...right].keys()) {
      await db.admin.query('truncate item')
      t.equal((await send('POST', `/${n}`)).status, n < wrong.length ? 500 : 200, String(n))
      await own.query('insert into item values ($1)', [9])
      t.same(await db.ids(), [9], 'what the pool is asked next commits by itself')
    }
  })
}
