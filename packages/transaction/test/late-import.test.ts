// The plugin may be imported after Fastify was created, and an app may have two copies of it.
import { cp, mkdtemp, rm } from 'node:fs/promises'
import path from 'node:path'
import Fastify, { type FastifyInstance } from 'fastify'
import pg from 'pg'
import t, { type Test } from 'tap'
import transaction, { type mapError } from '../src/index.ts'
import { database, test, transactional, type Database } from './harness.ts'
import { type PlainDb, plainHandles } from './statements.ts'

interface Package {
  default: typeof transaction
  mapError: typeof mapError
}

let db: Database
let copies: string
t.before(async () => {
  db = await database(t)
  copies = await mkdtemp(path.join(import.meta.dirname, '../../../.tap/copies-'))
  t.teardown(() => rm(copies, { recursive: true, force: true }))
})

/** A copy of the package that is loaded when this is called. */
async function importCopy (name: string): Promise<Package> {
  const folder = path.join(copies, name)
  await cp(path.join(import.meta.dirname, '..', 'src'), folder, {
    recursive: true,
    filter: (file) => !file.includes('node_modules') && !file.includes('dist')
  })
  return await import(path.join(folder, 'index.ts')) as Package
}

async function withApp (t: Test, work: (app: FastifyInstance, pool: pg.Pool) => Promise<void>): Promise<void> {
  await db.admin.query('truncate item')
  const pool = new pg.Pool({ connectionString: db.url, max: 2, application_name: 'app' })
  const app = Fastify()
  try {
    await work(app, pool)
  } finally {
    await app.close()
    t.equal(pool.totalCount - pool.idleCount, 0, 'nothing is left behind')
    await pool.end()
  }
}

const write = (request: unknown, id: number) => (request as { db: PlainDb }).db.query(`insert into item values (${id})`)

test('imported after Fastify was created', async (t) => {
  await withApp(t, async (app, pool) => {
    let ran = 0
    app.addHook('onRequest', async (request) => {
      if (request.url === '/early-hook') await write(request, 1)
    })
    app.post('/early', transactional, async () => {
      ran++
    })
    app.post('/early-by-method', async () => {
      ran++
    })
    app.post('/early-opted-out', { config: { transaction: false } }, async () => ({ ok: true }))
    app.get('/early-get', async () => ({ ok: true }))
    await app.register(async (child) => {
      child.post('/early-child', transactional, async () => {
        ran++
      })
    })
    await app.register((await importCopy('late')).default, { pool, methods: ['POST'], db: plainHandles(pool) })
    app.addHook('onRequest', async (request) => {
      if (request.url === '/late-hook') await write(request, 2)
    })
    app.post('/early-hook', async () => ({}))
    for (const url of ['/late', '/late-hook']) {
      app.post(url, transactional, async (request, reply) => {
        await write(request, 3)
        return await reply.code(409).send({ state: request.transaction.state })
      })
    }
    const post = async (url: string) => await app.inject({ method: 'POST', url })
    const sentence =
      /was declared before the transaction plugin, and has no transaction: register the transaction plugin, and await that, before/
    for (const url of ['/early', '/early-by-method', '/early-child']) {
      t.match((await post(url)).json(), { statusCode: 500, code: 'TX_USAGE', message: sentence }, url)
    }
    t.equal(ran, 0, 'no handler ran')
    t.equal((await post('/early-opted-out')).statusCode, 200)
    t.equal((await app.inject('/early-get')).statusCode, 200)
    t.equal((await post('/nowhere')).statusCode, 404)
    t.match((await post('/early-hook')).json(), {
      statusCode: 500,
      message: /import the transaction plugin before Fastify is created, or register it before the hook is added/
    })
    for (const url of ['/late', '/late-hook']) t.match((await post(url)).json(), { state: 'open' }, url)
    t.same(await db.ids(), [])
  })
})

test('two copies of the plugin in one app', async (t) => {
  const { default: other, mapError: mapErrorOfOther } = await importCopy('other')
  await withApp(t, async (app, pool) => {
    await app.register(transaction, { pool, db: plainHandles(pool) })
    app.setErrorHandler(async (error, _request, reply) => {
      const mapped = mapErrorOfOther(error)
      return await reply.code(mapped?.status ?? 500).send({ type: mapped?.type })
    })
    app.post('/duplicate', transactional, async (request) => {
      await write(request, 1)
      await write(request, 1)
    })
    const response = await app.inject({ method: 'POST', url: '/duplicate' })
    t.same([response.statusCode, response.json()], [409, { type: 'duplicate' }], 'one maps the errors of the other')
    t.notOk(mapErrorOfOther(Object.assign(new Error('of somebody else'), { code: '23505' })))
  })
  await withApp(t, async (app, pool) => {
    await app.register(transaction, { pool, db: plainHandles(pool) })
    await app.register(other, { pool, db: plainHandles(pool), name: 'billing' })
    app.post('/first', transactional, async (request, reply) => {
      await write(request, 1)
      return await reply.code(409).send({ state: request.transaction.state })
    })
    app.post('/second', { config: { transaction: { name: 'billing' } } }, async (request, reply) => {
      const { billing } = request as unknown as { billing: { db: PlainDb; transaction: { state: string } } }
      await write(billing, 2)
      return await reply.code(409).send({ state: billing.transaction.state })
    })
    for (const url of ['/first', '/second']) {
      t.match((await app.inject({ method: 'POST', url })).json(), { state: 'open' }, url)
    }
    t.same(await db.ids(), [])
  })
  await withApp(t, async (app, pool) => {
    await app.register(transaction, { pool, methods: ['POST'] })
    await app.register(other, { pool, name: 'billing', methods: ['POST'] })
    await t.rejects(
      async () => {
        app.post('/both', async () => ({}))
        await app.ready()
      },
      /POST \/both would have two transactions, of the transaction plugin and of the transaction plugin named 'billing'/
    )
  })
  await withApp(t, async (app, pool) => {
    await app.register(transaction, { pool })
    await t.rejects(async () => {
      await app.register(other, { pool })
    }, /request\.transaction is there already/)
  })
})
