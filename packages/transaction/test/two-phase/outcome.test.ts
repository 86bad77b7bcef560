import type { FastifyInstance } from 'fastify'
import t from 'tap'
import { addRoutes, comesTrue, onStep, pair, setup, twoPhase, type Item } from './fixture.ts'

type Work = (
  request: {
    insertSql: (id: number) => Promise<unknown>
    insertMongo: (id: number) => Promise<unknown>
    query: (text: string) => Promise<unknown>
  }
) => Promise<unknown>

/** A route that does what a test says. */
function route (work: Work, options = {}) {
  return (app: FastifyInstance) => {
    app.post('/', twoPhase(options), async function run (request) {
      await work({
        query: (text) => request.transaction.query(text),
        insertSql: (id) => request.transaction.query('insert into item values ($1)', [id]),
        insertMongo: (id) => request.mongo.collection<Item>('item').insertOne({ _id: id })
      })
      return {}
    })
  }
}

void t.test('both stores have it once the answer is a success, whichever was written first', async (t) => {
  const stores = await pair(t)
  const steps: string[] = []
  onStep(t, (step) => steps.push(step))
  const { send, stored, isClean } = await setup(t, {
    pair: stores,
    routes: (app) => {
      addRoutes(app)
      route(async ({ insertMongo, insertSql }) => {
        await insertMongo(2)
        await insertSql(2)
      })(app)
    }
  })
  t.equal((await send('POST', '/both/1')).status, 200)
  t.same(await stored(), { sql: [1], mongo: [1] })
  t.same(steps, ['recorded', 'prepared', 'decided', 'finished'])
  t.equal((await send('POST', '/')).status, 200)
  t.same(await stored(), { sql: [1, 2], mongo: [1, 2] })
  t.ok(await isClean(), 'and no record is left')
})

void t.test('where one store was not written, the other commits as it does alone', async (t) => {
  const stores = await pair(t)
  const steps: string[] = []
  onStep(t, (step) => steps.push(step))
  for (
    const [what, work, expected] of [
      ['SQL', async ({ insertSql }) => await insertSql(3), { sql: [3], mongo: [] }],
      ['MongoDB', async ({ insertMongo }) => await insertMongo(3), { sql: [], mongo: [3] }],
      ['neither', async () => {}, { sql: [], mongo: [] }]
    ] satisfies Array<[string, Work, object]>
  ) {
    await stores.sql.query('truncate item')
    await stores.db.collection('item').deleteMany({})
    await t.test(what, async (t) => {
      const { send, stored } = await setup(t, { pair: stores, routes: route(work) })
      t.equal((await send('POST', '/')).status, 200)
      t.same(await stored(), expected)
    })
  }
  await stores.sql.query('truncate item')
  await stores.db.collection('item').deleteMany({})
  await t.test('MongoDB is only read', async (t) => {
    const { send, stored } = await setup(t, {
      pair: stores,
      routes: (app) => {
        app.post('/', twoPhase(), async function read (request) {
          await request.mongo.collection('item').find().toArray()
          return await request.transaction.query('insert into item values (4)')
        })
      }
    })
    t.equal((await send('POST', '/')).status, 200)
    t.same(await stored(), { sql: [4], mongo: [] })
  })
  t.same(steps, [])
})

void t.test('what either store refuses leaves nothing in both', async (t) => {
  const stores = await pair(t)
  await stores.sql.query('insert into item values (7)')
  await stores.db.collection<Item>('item').insertOne({ _id: 7 })
  await stores.sql.query(`create or replace function tell() returns void language sql as $$ notify news $$`)
  for (
    const [what, status, work] of [
      ['a duplicate row', 409, async ({ insertMongo, insertSql }) => {
        await insertMongo(8)
        await insertSql(7)
      }],
      ['a duplicate document', 409, async ({ insertMongo, insertSql }) => {
        await insertSql(8)
        await insertMongo(7)
      }],
      ['a constraint that is checked at the end', 409, async ({ insertMongo, query }) => {
        await insertMongo(8)
        await query('insert into child values (1, 99)')
      }],
      ['a failed statement whose error was swallowed', 500, async ({ insertMongo, insertSql }) => {
        await insertMongo(8)
        await insertSql(7).catch(() => {})
      }],
      ['a failed operation whose error was swallowed', 500, async ({ insertMongo, insertSql }) => {
        await insertSql(8)
        await insertMongo(7).catch(() => {})
      }],
      ['a throw', 418, async ({ insertMongo, insertSql }) => {
        await insertSql(8)
        await insertMongo(8)
        throw Object.assign(new Error('no'), { statusCode: 418 })
      }],
      ['a NOTIFY in a function', 500, async ({ insertMongo, query }) => {
        await insertMongo(8)
        await query('select tell()')
      }],
      ['a temporary table', 500, async ({ insertMongo, query }) => {
        await insertMongo(8)
        await query('create temporary table scratch (id int)')
      }],
      ['a setting of the session', 500, async ({ insertMongo, query }) => {
        await insertMongo(8)
        await query("set work_mem = '8MB'")
      }]
    ] satisfies Array<[string, number, Work]>
  ) {
    await t.test(what, async (t) => {
      const { app, send, stored, isClean } = await setup(t, {
        pair: stores,
        routes: (app) => {
          app.setErrorHandler(async (error: Error & { code?: unknown; statusCode?: number }, _request, reply) => {
            const isConflict = [error.code, (error.cause as { code?: unknown } | undefined)?.code]
              .some((code) => ['23505', '23503', 11000].includes(code as string))
            return await reply.code(isConflict ? 409 : error.statusCode ?? 500).send({ message: error.message })
          })
          route(work)(app)
        }
      })
      const answer = await send('POST', '/')
      t.equal(answer.status, status, answer.text)
      t.same(await stored(), { sql: [7], mongo: [7] })
      t.ok(await isClean())
      t.ok(await comesTrue(() => app.twoPhase.inDoubt.length === 0))
    })
  }
})

void t.test('setRollbackOnly, an answer of 4xx and rollback() leave nothing; commit() comes before the answer', async (t) => {
  const stores = await pair(t)
  const { send, stored, isClean } = await setup(t, {
    pair: stores,
    routes: (app) => {
      app.post<{ Params: { how: string } }>('/:how', twoPhase(), async function run (request, reply) {
        const { transaction, params: { how } } = request
        await transaction.query('insert into item values (1)')
        await request.mongo.collection<Item>('item').insertOne({ _id: 1 })
        if (how === 'only') transaction.setRollbackOnly()
        if (how === 'status') reply.code(422)
        if (how === 'rollback') await transaction.rollback()
        if (how === 'commit') {
          await transaction.commit()
          throw new Error('too late')
        }
        return {}
      })
    }
  })
  for (const [how, status] of [['only', 200], ['status', 422], ['rollback', 200]] as const) {
    t.equal((await send('POST', `/${how}`)).status, status)
    t.same(await stored(), { sql: [], mongo: [] }, how)
  }
  t.equal((await send('POST', '/commit')).status, 500)
  t.same(await stored(), { sql: [1], mongo: [1] })
  t.ok(await isClean())
})
