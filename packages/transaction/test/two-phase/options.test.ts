import Fastify, { type FastifyInstance } from 'fastify'
import pg from 'pg'
import t, { type Test } from 'tap'
import transaction, { type TransactionPluginOptions } from '../../src/index.ts'
import { sqliteDriver } from '../../src/sqlite.ts'
import { addRoutes, comesTrue, onStep, pair, setup, twoPhase, type Item, type Pair } from './fixture.ts'

async function boot (t: Test, options: TransactionPluginOptions, routes: (app: FastifyInstance) => void = addRoutes) {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(transaction, options)
  routes(app)
  await app.ready()
}

void t.test('what cannot be is refused at boot, with a sentence', async (t) => {
  const stores = await pair(t)
  const { sql: pool, mongo: client, db } = stores
  const mongo = { client, db }
  const none = sqliteDriver({ begin: () => Promise.reject(new Error('never')) })
  await t.rejects(boot(t, { pool }), { message: /needs the plugin options pool and mongo/ })
  await t.rejects(boot(t, { sql: none, mongo }), { message: /no other SQL store can prepare a transaction/ })
  await t.rejects(boot(t, { pool, twoPhase: {} }, () => {}), { message: /twoPhase needs the options pool and mongo/ })
  await t.rejects(boot(t, { pool, mongo, twoPhase: { table: 'no_such_table' } }), {
    message: /make it by: CREATE TABLE/
  })
  await t.rejects(boot(t, { pool, mongo, twoPhase: { table: 'a; drop' } }), {
    message: /twoPhase has a mistake: table/
  })
  for (
    const [options, message] of [
      [{ store: 'mongo' }, /leave store out/],
      [{ accessMode: 'read only' }, /nothing to keep in step/],
      [{ accessMode: 'read only', stream: true }, /nothing to keep in step/]
    ] as const
  ) {
    await t.rejects(boot(t, { pool, mongo }, (app) => app.post('/', twoPhase(options), () => ({}))), { message })
  }
  await boot(t, { pool, mongo, defaults: { store: 'mongo' } })
})

void t.test('a server that prepares nothing is refused; one that is away is asked again', async (t) => {
  const stores = await pair(t)
  const { mongo: client, db } = stores
  const answer = (most: number) => ({ query: () => Promise.resolve({ rows: [{ most, table: null }] }) })
  const pool = Object.assign(new pg.Pool({ connectionString: stores.sqlUrl }), answer(0))
  t.teardown(() => pool.end())
  await t.rejects(boot(t, { pool, mongo: { client, db } }), { message: /max_prepared_transactions is 0/ })
  const away = new pg.Pool({ connectionString: 'postgres://127.0.0.1:1/none' })
  t.teardown(() => away.end())
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(transaction, { pool: away, mongo: { client, db }, checkoutTimeout: 100 })
  addRoutes(app)
  await app.ready()
  t.equal((await app.inject({ method: 'POST', url: '/both/1' })).statusCode, 503)
})

/** A role that may do little, and another that requests work as. */
async function makeRoles ({ sql, sqlUrl }: Pair): Promise<string> {
  const name = new URL(sqlUrl).pathname.slice(1)
  const [login, tenant] = [`login_${name}`, `tenant_${name}`]
  await sql.query(`create role ${tenant}; create role ${login} login password '${login}' in role ${tenant};
    grant insert, select on item to ${tenant}; grant all on two_phase_commits to ${login}`)
  const url = new URL(sqlUrl)
  url.username = login
  url.password = login
  return url.href
}

void t.test('a role of the request is no obstacle, also for a pool whose own role is no superuser', async (t) => {
  const stores = await pair(t)
  const connectionString = await makeRoles(stores)
  const role = `tenant_${new URL(stores.sqlUrl).pathname.slice(1)}`
  const seen: unknown[] = []
  const { send, stored, isClean } = await setup(t, {
    pair: stores,
    pool: { connectionString },
    routes: (app) => {
      app.post('/', twoPhase({ settings: () => ({ role, search_path: 'pg_catalog' }) }), async function run (request) {
        const { rows } = await request.transaction.query('select current_user as name')
        seen.push(rows[0]?.['name'])
        await request.transaction.query('insert into public.item values (20)')
        await request.mongo.collection<Item>('item').insertOne({ _id: 20 })
        return {}
      })
    }
  })
  t.equal((await send('POST', '/')).status, 200)
  t.same(seen, [role])
  const { sql, mongo } = await stored()
  t.ok(sql.includes(20) && mongo.includes(20))
  t.ok(await isClean())
})

void t.test('app.transaction takes both stores too; savepoints and callbacks work as in one', async (t) => {
  const stores = await pair(t)
  const { app, stored, isClean } = await setup(t, { pair: stores, plugin: { twoPhase: {} }, routes: () => {} })
  const events: string[] = []
  onStep(t, (step) => events.push(step))
  await app.transaction(async (tx) => {
    tx.afterCommit(() => events.push('after'))
    await tx.query('insert into item values (30)')
    await tx.query('savepoint s')
    await tx.query('insert into item values (30)').catch(() => {})
    await tx.query('rollback to s')
    await tx.mongo.collection<Item>('item').insertOne({ _id: 30 })
  }, { crossStore: 'two-phase' })
  t.ok(await comesTrue(() => events.includes('after')))
  t.same(events, ['recorded', 'prepared', 'decided', 'finished', 'after'])
  const { sql, mongo } = await stored()
  t.ok(sql.includes(30) && mongo.includes(30))
  const failing = app.transaction(async (tx) => {
    await tx.query('insert into item values (31)')
    await tx.mongo.collection<Item>('item').insertOne({ _id: 31 })
    throw new Error('no')
  }, { crossStore: 'two-phase' })
  await t.rejects(failing, { message: 'no' })
  t.notOk((await stored()).sql.includes(31))
  t.ok(await isClean())
  const plain = await setup(t, { pair: stores, routes: () => {} })
  const refused = plain.app.transaction(async () => {}, { crossStore: 'two-phase' })
  await t.rejects(refused, { message: /needs the plugin option twoPhase/ })
})
