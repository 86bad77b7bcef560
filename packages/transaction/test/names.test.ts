// Two databases, two registrations: everything of one under a name of its own.
import Fastify, { type FastifyInstance, type FastifyRequest } from 'fastify'
import pg from 'pg'
import t, { type Test } from 'tap'
import transaction, { type NamedTransaction, type TransactionPluginOptions } from '../src/index.ts'
import { database, test, transactional, type Database } from './harness.ts'
import { plainDb, type PlainDb, plainHandles } from './statements.ts'

let first: Database
let second: Database
t.before(async () => {
  ;[first, second] = [await database(t), await database(t)]
})

const handler = async () => ({})
const billed = { config: { transaction: { name: 'billing' } } } as const
const getBilling = (request: FastifyRequest) =>
  (request as FastifyRequest & { billing: NamedTransaction<PlainDb> }).billing

interface Pools {
  pool: pg.Pool
  other: pg.Pool
}

/** An app and a pool on each database; checks that nothing is checked out when the work is done. */
async function withApp (t: Test, work: (app: FastifyInstance, pools: Pools) => Promise<void>): Promise<void> {
  const pools = {
    pool: new pg.Pool({ connectionString: first.url, max: 2, application_name: 'app' }),
    other: new pg.Pool({ connectionString: second.url, max: 2, application_name: 'app' })
  }
  for (const { admin } of [first, second]) await admin.query('truncate item')
  const app = Fastify()
  try {
    await work(app, pools)
  } finally {
    await app.close()
    for (const pool of Object.values(pools)) {
      t.equal(pool.totalCount - pool.idleCount, 0, 'nothing is left behind')
      await pool.end()
    }
  }
}

async function refusal (build: (app: FastifyInstance, pools: Pools) => unknown): Promise<string> {
  const pools = {
    pool: new pg.Pool({ host: '127.0.0.1', port: 1 }),
    other: new pg.Pool({ host: '127.0.0.1', port: 1 })
  }
  const app = Fastify()
  try {
    await build(app, pools)
    await app.ready()
    return 'booted'
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'TX_USAGE'
      ? error.message
      : `not ours: ${String(error)}`
  } finally {
    await app.close().catch(() => {})
    await Promise.all([pools.pool.end(), pools.other.end()])
  }
}

test('two databases in one app', async (t) => {
  await withApp(t, async (app, { pool, other }) => {
    await app.register(transaction, { pool, db: plainHandles(pool) })
    await app.register(transaction, { pool: other, db: plainHandles(other), name: 'billing', methods: ['PUT'] })
    const store = async (request: FastifyRequest) => {
      const { status = '200' } = request.query as { status?: string }
      return {
        status: Number(status),
        states: [
          request.routeOptions.config.transaction === true
            ? request.transaction.state
            : getBilling(request).transaction.state
        ]
      }
    }
    app.post('/first', transactional, async (request, reply) => {
      await plainDb(request).query('insert into item values (1)')
      const { status, states } = await store(request)
      return await reply.code(status).send({ states })
    })
    const bill = async (request: FastifyRequest) => {
      await getBilling(request).db.query('insert into item values (2)')
    }
    app.post('/second', billed, async (request, reply) => {
      await bill(request)
      const { status, states } = await store(request)
      return await reply.code(status).send({ states })
    })
    app.put('/by-method', async (request, reply) => {
      await getBilling(request).db.query('insert into item values (6)')
      return await reply.code(409).send({ states: [getBilling(request).transaction.state] })
    })
    for (const [url, database] of [['/first', first], ['/second', second]] as const) {
      t.match((await app.inject({ method: 'POST', url: `${url}?status=409` })).json(), { states: ['open'] }, url)
      t.same(await database.ids(), [], `${url}: rolled back`)
      t.match((await app.inject({ method: 'POST', url })).json(), { states: ['open'] }, url)
    }
    t.same([await first.ids(), await second.ids()], [[1], [2]], 'each in its own database')
    t.match((await app.inject({ method: 'PUT', url: '/by-method' })).json(), { states: ['open'] })
    t.same(await second.ids(), [2])
    const { billing } = app as FastifyInstance & { billing: Pick<FastifyInstance, 'transaction'> }
    await billing.transaction(async (transaction) => {
      await transaction.query('insert into item values (3)')
    })
    await app.transaction(async (transaction) => {
      await transaction.query('insert into item values (4)')
    })
    await t.rejects(
      billing.transaction(async (transaction) => {
        await transaction.query('insert into item values (5)')
        throw new Error('no')
      }),
      /no/
    )
    t.same([await first.ids(), await second.ids()], [[1, 4], [2, 3]])
  })
})

test('the other database inside a transaction of one', async (t) => {
  await withApp(t, async (app, { pool, other }) => {
    await app.register(transaction, { pool, db: plainHandles(pool), detectOutsideQueries: true })
    await app.register(transaction, {
      pool: other,
      db: plainHandles(other),
      name: 'billing',
      detectOutsideQueries: true
    })
    const says = async (work: () => unknown) => {
      try {
        await work()
        return 'nothing'
      } catch (error) {
        return String(error)
      }
    }
    app.post(
      '/other-transaction',
      transactional,
      async (request) => ({ says: await says(() => getBilling(request).transaction) })
    )
    app.post(
      '/undeclared',
      async (request) => ({
        says: [await says(() => getBilling(request).transaction), await says(() => request.transaction)]
      })
    )
    app.post('/other-mongo', transactional, async (request) => ({ says: await says(() => getBilling(request).mongo) }))
    const ask = async (url: string) => (await app.inject({ method: 'POST', url })).json<{ says: unknown }>().says
    t.match(
      await ask('/other-transaction'),
      /POST \/other-transaction has its transaction from the transaction plugin, and a route has only one: to have this one instead, declare config: \{ transaction: \{ name: 'billing' \} \}/
    )
    t.match(await ask('/undeclared'), [
      /declare config: \{ transaction: \{ name: 'billing' \} \} on the route/,
      /declare config: \{ transaction: true \} on the route/
    ])
    t.match(await ask('/other-mongo'), /registered without the mongo option/)
  })
})

test('siblings are strangers to each other', async (t) => {
  await withApp(t, async (app, { pool, other }) => {
    const scopes: Array<[string, pg.Pool]> = [['/a', pool], ['/b', other]]
    for (const [url, own] of scopes) {
      await app.register(async (child) => {
        await child.register(transaction, { pool: own, db: plainHandles(own) })
        child.post(url, transactional, async (request) => await plainDb(request).query('insert into item values (1)'))
      })
    }
    app.post('/outside', async (request) => ({ transaction: typeof request.transaction, db: typeof request.db }))
    for (const [url] of scopes) t.equal((await app.inject({ method: 'POST', url })).statusCode, 200)
    t.same([await first.ids(), await second.ids()], [[1], [1]])
    t.match((await app.inject({ method: 'POST', url: '/outside' })).json(), {
      transaction: 'undefined',
      db: 'undefined'
    })
  })
})

test('names that are taken are refused with a sentence, unused ones are left alone', async (t) => {
  const taken = (what: string) =>
    new RegExp(
      `^transaction plugin: ${what} is there already, from another plugin or from a registration of this one.*name: 'billing'`
    )
  const cases: Array<[string, (app: FastifyInstance, pools: Pools) => unknown, RegExp | string]> = [
    ['twice', async (app, { pool, other }) => {
      await app.register(transaction, { pool })
      await app.register(transaction, { pool: other })
    }, taken('request\\.transaction')],
    ['nested', async (app, { pool, other }) => {
      await app.register(transaction, { pool })
      await app.register(async (child) => {
        await child.register(transaction, { pool: other })
      })
    }, taken('request\\.transaction')],
    ['nested by name', async (app, { pool, other }) => {
      await app.register(transaction, { pool })
      await app.register(async (child) => {
        await child.register(transaction, { pool: other, name: 'billing' })
        child.post('/', billed, handler)
      })
    }, 'booted'],
    ['twice by one name', async (app, { pool, other }) => {
      for (const own of [pool, other]) await app.register(transaction, { pool: own, name: 'billing' })
    }, taken('request\\.billing')],
    ['two names', async (app, { pool, other }) => {
      await app.register(transaction, { pool, name: 'one' })
      await app.register(transaction, { pool: other, name: 'two' })
    }, 'booted'],
    ['child first, then the parent', async (app, { pool, other }) => {
      await app.register(async (child) => {
        await child.register(transaction, { pool: other })
        child.post('/', transactional, handler)
      })
      await app.register(transaction, { pool })
    }, 'booted'],
    ['request.db of another plugin, unused here', async (app, { pool }) => {
      app.decorateRequest('db', null as never)
      await app.register(transaction, { pool })
    }, 'booted'],
    ['request.mongo of another plugin, unused here', async (app, { pool }) => {
      app.decorateRequest('mongo', null as never)
      app.decorate('mongo', {} as never)
      await app.register(transaction, { pool })
    }, 'booted'],
    ['request.db of another plugin, needed here', async (app, { pool }) => {
      app.decorateRequest('db', null as never)
      await app.register(transaction, { pool, db: plainHandles(pool) })
    }, taken('request\\.db')],
    ['the same, with a name', async (app, { pool }) => {
      app.decorateRequest('db', null as never)
      await app.register(transaction, { pool, db: plainHandles(pool), name: 'billing' })
    }, 'booted'],
    ['request.transaction of another plugin', async (app, { pool }) => {
      app.decorateRequest('transaction', null as never)
      await app.register(transaction, { pool })
    }, taken('request\\.transaction')],
    ['app.transaction of another plugin', async (app, { pool }) => {
      app.decorate('transaction', (() => {}) as never)
      await app.register(transaction, { pool })
    }, taken('app\\.transaction')],
    ['app.billing of another plugin', async (app, { pool }) => {
      app.decorate('billing', 1)
      await app.register(transaction, { pool, name: 'billing' })
    }, taken('app\\.billing')],
    [
      'two that claim a route',
      async (app, { pool, other }) => {
        await app.register(transaction, { pool, methods: ['POST'] })
        await app.register(transaction, { pool: other, name: 'billing', methods: ['POST'] })
        app.post('/', handler)
      },
      /^POST \/ would have two transactions, of the transaction plugin and of the transaction plugin named 'billing': name one in config\.transaction/
    ],
    ['one of them named by the route', async (app, { pool, other }) => {
      await app.register(transaction, { pool, methods: ['POST'] })
      await app.register(transaction, { pool: other, name: 'billing', methods: ['POST'] })
      app.post('/', billed, handler)
      app.post('/first', transactional, handler)
      app.post('/none', { config: { transaction: false } }, handler)
    }, 'booted']
  ]
  for (const name of ['body', 'query', 'raw', 'log', 'headers', 'id', 'server', 'routeOptions', 'ready']) {
    cases.push([name, async (app, { pool }) => {
      await app.register(transaction, { pool, name })
    }, /is there already/])
  }
  for (const name of ['', 5, null, {}]) {
    cases.push([`the name ${JSON.stringify(name)}`, async (app, { pool }) => {
      await app.register(transaction, { pool, name } as TransactionPluginOptions)
    }, /^transaction plugin: .*name must be/])
  }
  for (const [name, build, expected] of cases) t.match(await refusal(build), expected, name)
})
