// What of a first answer a repeat gets: bytes as they were, 202 or what became of it; and routes that only read.
import t from 'tap'
import { createThings } from '../fixture/tables.ts'
import { build, comesTrue } from '../helper.ts'
import { newKey, onEachStore, createSender, storeOne } from './idempotency-app.ts'

const BYTES = {
  '/bytes': Buffer.from([0x25, 0x50, 0x44, 0x46, 0xff, 0xfe, 0x80, 0x41]),
  '/zeros': Buffer.from([0, 0xff, 0, 0, 1]),
  '/zero-in-text': 'before\0after',
  '/half-a-surrogate': 'x\ud800y',
  '/text': 'grüße',
  '/text-as-bytes': Buffer.from('grüße'),
  '/none': Buffer.alloc(0)
}

t.test('answers of any bytes', (t) => {
  onEachStore(
    t,
    Object.fromEntries(
      Object.entries(BYTES).map(([url, body]) => [url, async (request, reply) => {
        await storeOne(request)
        reply.code(201).type(typeof body === 'string' ? 'text/plain' : 'application/pdf').header(
          'content-disposition',
          'attachment'
        )
        return body
      }])
    ),
    async (t, { send, count }) => {
      for (const [url, body] of Object.entries(BYTES)) {
        const [key, before] = [newKey(), await count()]
        const first = await send(url, key)
        t.match(first, { status: 201, isReplay: false }, url)
        t.same(first.bytes, Buffer.from(body), url)
        for (let n = 0; n < 2; n++) {
          const again = await send(url, key)
          t.match(again, {
            status: 201,
            isReplay: true,
            headers: { 'content-disposition': 'attachment', 'content-type': first.headers['content-type'] }
          })
          t.same(again.bytes, first.bytes, `${url}: the same bytes`)
        }
        t.equal(await count(), before + 1)
      }
    }
  )
  t.end()
})

for (const [name, settings] of Object.entries({ PostgreSQL: {}, SQLite: { DATABASE_URL: ':memory:' } })) {
  t.test(`a first 202 is replayed as what it has become, on ${name}`, async (t) => {
    let apply = () => {}
    let isAsked = false
    const waiting = new Promise<void>((resolve) => {
      apply = resolve
    })
    const app = await build(t, {
      settings,
      plugins: async (app) => {
        await createThings(app)
        app.outbox.on('profiles', async () => {
          isAsked = true
          await waiting
        })
        app.post('/members', { config: { transaction: { crossStore: 'outbox' } } }, async (request, reply) => {
          await storeOne(request)
          request.announceEvent(
            await app.outbox.enqueue(request.transaction, { topic: 'profiles', key: '1', payload: {} })
          )
          reply.code(201).header('location', '/members/1')
          return { id: 1 }
        })
      }
    })
    const [send, key] = [createSender(app), newKey()]
    const first = await send('/members', key)
    t.match(first, { status: 202, headers: { location: '/members/1' } })
    const token = { 'consistency-token': first.headers['consistency-token'] as string }
    t.match(token, { 'consistency-token': /^sql-/ })
    t.ok(await comesTrue(() => isAsked))
    t.match(await send('/members', key), {
      status: 202,
      text: first.text,
      isReplay: true,
      headers: { location: '/members/1', ...token }
    }, 'half of it, as before')
    t.match(await send('/members', key, { prefer: 'wait=1' }), {
      status: 202,
      headers: { 'preference-applied': undefined }
    })
    apply()
    t.match(await send('/members', key, { prefer: 'wait=5' }), {
      status: 201,
      text: first.text,
      isReplay: true,
      headers: { 'preference-applied': 'wait=5', ...token }
    })
    let whole = await send('/members', key)
    // Without a preference it waits a quarter of a second: on a busy machine perhaps too short.
    await comesTrue(async () => whole.status === 201 || (whole = await send('/members', key)).status === 201)
    t.match(whole, { status: 201, isReplay: true, headers: { 'preference-applied': undefined, ...token } }, 'all of it')
  })
}

t.test('a POST that only reads says that it takes no key', async (t) => {
  for (const settings of [{}, { DATABASE_URL: ':memory:' }]) {
    const app = await build(t, {
      settings: { PROJECTIONS: false, ...settings },
      plugins: async (app) => {
        const config = { transaction: { accessMode: 'read only' } } as const
        app.post('/search', { config }, async (request) => (await request.transaction.query('SELECT 1 AS one')).rows)
        app.post(
          '/ignores',
          { config: { ...config, idempotency: false } },
          async (request) => (await request.transaction.query('SELECT 1 AS one')).rows
        )
      }
    })
    const send = createSender(app)
    t.match(await send('/search', newKey()), {
      status: 400,
      body: { type: '/docs/problems#bad-request', detail: /only reads and takes no Idempotency-Key/ }
    })
    t.match(await app.inject({ method: 'POST', url: '/search', payload: {} }), { statusCode: 200 })
    t.match(await send('/ignores', newKey()), { status: 200, isReplay: false })
  }
  for (const idempotency of [true, 'required'] as const) {
    await t.rejects(
      build(t, {
        plugins: async (app) => {
          app.post('/search', { config: { idempotency, transaction: { accessMode: 'read only' } } }, async () => ({}))
        }
      }),
      { message: /POST \/search: config.idempotency has nothing to protect/ }
    )
  }
})

t.test('a swallowed conflict is run again, with a key as without', async (t) => {
  let runs = 0
  const app = await build(t, {
    settings: { PROJECTIONS: false },
    plugins: async (app) => {
      await createThings(app)
      app.post('/swallows', async (request, reply) => {
        await storeOne(request)
        if (request.transaction.attempt === 1) {
          await request.transaction.query("DO $$ BEGIN RAISE SQLSTATE '40001'; END $$").catch(() => {})
        }
        reply.code(201)
        return { run: ++runs }
      })
    }
  })
  const [send, key] = [createSender(app), newKey()]
  t.match(await send('/swallows', key), { status: 201, body: { run: 2 }, isReplay: false })
  t.match(await send('/swallows', key), { status: 201, body: { run: 2 }, isReplay: true })
})
