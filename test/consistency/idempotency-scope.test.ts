import type { FastifyRequest } from 'fastify'
import t from 'tap'
import type { IdempotencyOptions } from '../../plugins/idempotency/index.ts'
import { mongoDatabase } from '../../plugins/mongo/index.ts'
import { createThings } from '../fixture/tables.ts'
import { thingRoutes } from '../fixture/things.ts'
import { build } from '../helper.ts'
import { createSender, newKey, onEachStore, storeOne } from './idempotency-app.ts'

const byCaller = (request: FastifyRequest) => String(request.headers['x-caller'] ?? '')
const REFUSED = { status: 422, body: { type: '/docs/problems#unprocessable' } }

async function greet (request: FastifyRequest) {
  await storeOne(request)
  return { secret: `for ${byCaller(request)}` }
}

onEachStore(t, { '/scoped': greet, '/open': greet }, async (t, { app, send, count }) => {
  t.test('the key of one caller is another key to the next, however alike they are', async (t) => {
    const [key, before] = [newKey(), await count()]
    const callers = ['red', 'blue', 'red ', 'Red', 'red blue', `${Math.random()}`, '\u00e9']
    for (const caller of callers) {
      const first = await send('/scoped', key, { 'x-caller': caller })
      t.match(first, { status: 200, isReplay: false, body: { secret: `for ${caller}` } }, caller)
    }
    for (const caller of callers) {
      const again = await send('/scoped', key, { 'x-caller': caller })
      t.match(again, { status: 200, isReplay: true, body: { secret: `for ${caller}` } }, caller)
    }
    t.equal(await count(), before + callers.length)
  })

  t.test('a renewed token does not do the work again where there is a scope', async (t) => {
    const [key, before] = [newKey(), await count()]
    await send('/scoped', key, { 'x-caller': 'red', authorization: 'Bearer one' })
    const again = await send('/scoped', key, { 'x-caller': 'red', authorization: 'Bearer two' })
    t.match(again, { status: 200, isReplay: true })
    t.equal(await count(), before + 1)
  })

  t.test('without a caller nothing runs', async (t) => {
    const before = await count()
    t.equal((await send('/scoped', newKey())).status, 500)
    t.equal(await count(), before)
  })

  t.test('no key holds the name of a caller', async (t) => {
    await send('/scoped', newKey(), { 'x-caller': 'mallory@example.com' })
    const rows = app.sqlite?.query('SELECT * FROM idempotency_keys') ?? app.pg.query('SELECT * FROM idempotency_keys')
    const documents = await mongoDatabase(app).collection('idempotency_keys').find().toArray()
    t.notMatch(
      JSON.stringify([(await rows).rows.map(({ key }) => String(key)), documents.map(({ _id }) => _id)]),
      'mallory'
    )
  })

  for (
    const [name, one, other] of [
      ['Authorization', { authorization: 'Bearer one' }, { authorization: 'Bearer two' }],
      ['none', { authorization: 'Bearer one' }, {}],
      ['Cookie', { cookie: 'session=1' }, { cookie: 'session=2' }]
    ] as const
  ) {
    t.test(`without a scope no answer goes to other credentials: ${name}`, async (t) => {
      const [key, before] = [newKey(), await count()]
      t.match(await send('/open', key, one), { status: 200, isReplay: false })
      t.match(await send('/open', key, other), REFUSED)
      t.match(await send('/open', key, one), { status: 200, isReplay: true })
      t.equal(await count(), before + 1)
    })
  }
}, { '/scoped': { idempotency: { scope: byCaller } } })

t.test('the scope of the app holds for each route without one of its own', async (t) => {
  const app = await build(t, {
    settings: { PROJECTIONS: false },
    plugins: async (app) => {
      await thingRoutes(app)
      app.setIdempotencyScope(byCaller)
      app.post('/common', greet)
      app.post('/own', { config: { idempotency: { scope: () => 'everybody', required: true } } }, greet)
    }
  })
  const send = createSender(app)
  const key = newKey()
  t.match(await send('/common', key, { 'x-caller': 'red' }), { isReplay: false })
  t.match(await send('/common', key, { 'x-caller': 'blue' }), { isReplay: false, body: { secret: 'for blue' } })
  t.match(await send('/common', key, { 'x-caller': 'red' }), { isReplay: true, body: { secret: 'for red' } })
  t.match(await send('/own', key, { 'x-caller': 'red' }), { isReplay: false })
  t.match(await send('/own', key, { 'x-caller': 'blue' }), { isReplay: true, body: { secret: 'for red' } })
  t.equal((await app.inject({ method: 'POST', url: '/own', payload: {} })).statusCode, 400)
  const payload = { name: 'Ada' }
  const post = async (caller: string) =>
    await app.inject({
      method: 'POST',
      url: '/things',
      payload,
      headers: { 'idempotency-key': key, 'x-caller': caller }
    })
  t.equal((await post('red')).statusCode, 201)
  t.equal((await post('blue')).statusCode, 409, 'the work of blue is done, and refused for itself')
  t.match((await post('red')).headers, { 'idempotency-replayed': 'true' })
  t.throws(() => app.setIdempotencyScope(byCaller), /set already/)
})

t.test('settings that say what a transaction may read are what a repeat must match', async (t) => {
  const app = await build(t, {
    settings: { PROJECTIONS: false },
    plugins: async (app) => {
      await createThings(app)
      const settings = (request: FastifyRequest) => ({ 'app.tenant': byCaller(request) })
      app.post('/tenant', { config: { transaction: { settings } } }, greet)
    }
  })
  const send = createSender(app)
  const key = newKey()
  t.match(await send('/tenant', key, { 'x-caller': 'red' }), { isReplay: false })
  t.match(await send('/tenant', key, { 'x-caller': 'blue' }), REFUSED)
  t.match(await send('/tenant', key, { 'x-caller': 'red', authorization: 'renewed' }), { isReplay: true })
})

t.test('options that are none refuse to boot', async (t) => {
  for (
    const [wrong, sentence] of [
      [{ scope: 'user' }, /POST \/wrong: config.idempotency.scope is no function/],
      [{ required: 'yes' }, /POST \/wrong: config.idempotency.required/],
      [{ scopes: byCaller }, /POST \/wrong: config.idempotency.scopes is no option/]
    ] as const
  ) {
    await t.rejects(
      build(t, {
        plugins: async (app) => {
          app.post('/wrong', { config: { idempotency: wrong as unknown as IdempotencyOptions } }, greet)
        }
      }),
      { message: sentence }
    )
  }
})
