import t, { type Test } from 'tap'
import { fileApp, openApp } from './sqlite-app.ts'

t.test('transactions', async (t) => {
  async function routes (t: Test) {
    const small = await fileApp(t)
    await small.pool.query('create table t (v integer primary key)')
    const insert = 'insert into t values (1)'
    small.app.post('/ok', async (request) => (await request.transaction.query(`${insert} returning v`)).rows)
    small.app.post('/refused', async (request, reply) => {
      await request.transaction.query(insert)
      return reply.code(409).send({})
    })
    small.app.post('/swallowed', async (request) => {
      await request.transaction.query(insert)
      await request.transaction.query(insert).catch(() => {})
      return {}
    })
    small.app.post('/savepoint', async (request) => {
      const { transaction } = request
      await transaction.query(insert)
      await transaction.query('savepoint a')
      await transaction.query(insert).catch(() => transaction.query('rollback to savepoint a'))
      return {}
    })
    small.app.post('/stray', async (request) => {
      await request.transaction.query(insert)
      await small.app.db.execute(insert)
    })
    small.app.post('/control', async (request) => request.transaction.query('commit'))
    await small.app.ready()
    const post = async (url: string) => (await small.app.inject({ method: 'POST', url })).statusCode
    const rows = async () => (await small.pool.query('select * from t')).rowCount
    return { ...small, post, rows }
  }

  t.test('the status decides', async (t) => {
    const { post, rows } = await routes(t)
    t.equal(await post('/refused'), 409)
    t.equal(await rows(), 0)
    t.equal(await post('/ok'), 200)
    t.equal(await rows(), 1)
  })

  t.test('a statement past the transaction could only wait for it, and is refused', async (t) => {
    const { app, post, rows } = await routes(t)
    t.match((await app.inject({ method: 'POST', url: '/stray' })).json(), {
      statusCode: 500,
      message: /second connection inside its transaction/
    })
    t.equal(await rows(), 0)
    t.equal(await post('/ok'), 200)
  })

  t.test('as on PostgreSQL, a swallowed error leaves nothing to commit, a savepoint rescues', async (t) => {
    const { post, rows } = await routes(t)
    t.equal(await post('/swallowed'), 500)
    t.equal(await rows(), 0)
    t.equal(await post('/control'), 500)
    t.equal(await post('/savepoint'), 200)
    t.equal(await rows(), 1)
  })

  t.test('what SQLite cannot do is refused when the route is declared', async (t) => {
    const { app } = await fileApp(t)
    const declare = (options: object) => () => {
      app.post('/x', { config: { transaction: options } }, async () => ({}))
    }
    t.throws(declare({ isolationLevel: 'read committed' }), /POST \/x: .*isolationLevel: SQLite is always serializable/)
    t.throws(declare({ lockTimeout: 100 }), /lockTimeout: .*deadline/)
    t.throws(declare({ statementTimeout: 100, settings: () => ({}) }), /statementTimeout: .*settings: /)
    t.throws(declare({ stream: true, accessMode: 'read only' }), /stream: /)
    t.doesNotThrow(declare({ isolationLevel: 'serializable', deadline: 1000 }))
  })

  t.test('drizzle: savepoints, siblings, and no transaction() outside one', async (t) => {
    const { app, pool } = await openApp(t, ':memory:')
    await pool.query('create table t (v integer primary key)')
    await app.transaction(async ({ db }) => {
      const insert = async (tx: typeof db, v: number) => tx.execute(`insert into t values (${v})`)
      await insert(db, 1)
      const siblings = [2, 1, 3].map((v) => db.transaction((tx) => insert(tx, v)))
      t.same((await Promise.allSettled(siblings)).map(({ status }) => status), ['fulfilled', 'rejected', 'fulfilled'])
      await t.rejects(
        db.transaction(() => db.transaction(() => insert(db, 4))),
        /handle that the outer callback was given/
      )
    })
    t.same((await pool.query('select v from t order by v')).rows, [{ v: 1 }, { v: 2 }, { v: 3 }])
    await t.rejects(app.db.transaction(async () => {}), /use app.transaction/)
  })
})
