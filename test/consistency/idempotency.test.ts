import { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { Type } from '@sinclair/typebox'
import t, { type Test } from 'tap'
import type { App, BuildOptions } from '../../app.ts'
import { deleteExpiredKeys } from '../../plugins/idempotency/sql-store.ts'
import { mongoDatabase } from '../../plugins/mongo/index.ts'
import { copiedThings } from '../fixture/copies.ts'
import { countThings } from '../fixture/things.ts'
import { newFolder } from '../folder.ts'
import { build } from '../helper.ts'

type Headers = Record<string, string>
interface Row {
  id: number | string
}

let serial = 0
const newKey = () => `key-${++serial}-${Math.random().toString(36).slice(2)}`
const newThing = () => ({ name: `Ada ${++serial}` })

async function post<Body = Row> (app: App, url: string, payload: object, key?: string, headers: Headers = {}) {
  const reply = await app.inject({
    method: 'POST',
    url,
    payload,
    headers: { ...headers, ...(key !== undefined && { 'idempotency-key': key }) }
  })
  return {
    status: reply.statusCode,
    headers: reply.headers as Headers,
    text: reply.body,
    body: (reply.body === '' ? undefined : reply.json()) as Body
  }
}

const inUse = {
  status: 409,
  body: { type: '/docs/problems#conflict', detail: 'A request with this Idempotency-Key is being processed' }
}

/** What holds for a POST route of any store. */
async function holdsOn (
  t: Test,
  app: App,
  url: string,
  payload: () => Promise<object> | object,
  count: () => Promise<number>
): Promise<void> {
  await t.test(`${url}: the first answer again, once`, async (t) => {
    const [key, body, before] = [newKey(), await payload(), await count()]
    const first = await post(app, url, body, `"${key}"`)
    t.match(first, { status: 201, headers: { location: `${url}/${first.body.id}`, 'idempotency-replayed': undefined } })
    for (const header of [key, `"${key}"`]) {
      const again = await post(app, url, Object.fromEntries(Object.entries(body).reverse()), header)
      t.equal(again.status, 201)
      t.equal(again.text, first.text)
      t.match(again.headers, {
        location: first.headers.location,
        'content-type': first.headers['content-type'],
        'idempotency-replayed': 'true',
        ...(url !== '/things' && { 'consistency-token': String })
      })
    }
    t.equal(await count(), before + 1)
  })

  await t.test(`${url}: another payload with the key is refused`, async (t) => {
    const key = newKey()
    await post(app, url, await payload(), key)
    const before = await count()
    t.match(await post(app, url, await payload(), key), {
      status: 422,
      body: { type: '/docs/problems#unprocessable', detail: 'This Idempotency-Key was used for another request' }
    })
    t.equal(await count(), before)
  })

  await t.test(`${url}: many at once, one effect`, async (t) => {
    for (let round = 0; round < 5; round++) {
      const [key, body, before] = [newKey(), await payload(), await count()]
      const answers = await Promise.all(Array.from({ length: 6 }, () => post(app, url, body, key)))
      const made = answers.filter(({ status, headers }) =>
        status === 201 && headers['idempotency-replayed'] === undefined
      )
      t.equal(made.length, 1)
      for (const answer of answers) {
        if (answer.status === 201) t.equal(answer.text, made[0]?.text)
        else t.match(answer, inUse)
      }
      t.equal(await count(), before + 1)
      t.match(await post(app, url, body, key), { status: 201, text: made[0]?.text as string })
    }
  })

  await t.test(`${url}: without a key nothing is kept`, async (t) => {
    const before = await count()
    await post(app, url, await payload())
    await post(app, url, await payload())
    t.equal(await count(), before + 2)
  })
}

const readKeys = async (app: App) => (await app.pg.query('SELECT * FROM idempotency_keys')).rows

t.test('PostgreSQL', async (t) => {
  const app = await build(t, { plugins: copiedThings })
  for (const url of ['/followed', '/things']) await holdsOn(t, app, url, newThing, () => countThings(app))

  t.test('one key on two routes is two keys', async (t) => {
    const key = newKey()
    const thing = await post(app, '/things', newThing(), key)
    t.equal((await post(app, '/followed', newThing(), key)).status, 201)
    t.equal(thing.status, 201)
  })

  t.test('an answer that rolls back is not kept: the key can be used again', async (t) => {
    const [key, taken] = [newKey(), newThing()]
    await post(app, '/things', taken)
    for (let n = 0; n < 2; n++) {
      t.match(await post(app, '/things', taken, key), { status: 409, body: { type: '/docs/problems#duplicate' } })
    }
    await app.pg.query('DELETE FROM things WHERE name = $1', [taken.name])
    t.match(await post(app, '/things', taken, key), { status: 201, headers: { 'idempotency-replayed': undefined } })
    t.match(await post(app, '/things', taken, key), { status: 201, headers: { 'idempotency-replayed': 'true' } })
  })

  t.test('after its time a key is new; the sweep removes it', async (t) => {
    const [key, body] = [newKey(), newThing()]
    const first = await post(app, '/things', body, key)
    await app.pg.query("UPDATE idempotency_keys SET expires_at = now() - interval '1 second' WHERE key = $1", [key])
    t.match(await post(app, '/things', newThing(), key), {
      status: 201,
      headers: { 'idempotency-replayed': undefined }
    })
    t.ok((await readKeys(app)).find((row) => row.key === key).expires_at > Date.now() + 23 * 3600_000, 'for 24 hours')
    await app.pg.query("UPDATE idempotency_keys SET expires_at = now() - interval '1 second' WHERE key = $1", [key])
    const { length } = await readKeys(app)
    t.equal(await deleteExpiredKeys(app), 1)
    t.equal((await readKeys(app)).length, length - 1)
    t.equal(first.status, 201)
  })

  t.test('keys that are none', async (t) => {
    const before = await countThings(app)
    for (const key of ['', '"', 'a b', '""', 'ä', 'x'.repeat(256), `"${'x'.repeat(256)}"`, '"a"b"']) {
      t.match(await post(app, '/things', newThing(), key), {
        status: 400,
        body: { type: '/docs/problems#invalid-request', errors: [{ pointer: '/idempotency-key', in: 'header' }] }
      }, JSON.stringify(key))
    }
    t.equal(await countThings(app), before)
    t.equal((await post(app, '/things', newThing(), `"${'y'.repeat(255)}"`)).status, 201)
  })

  t.test('the header is in the OpenAPI document', async (t) => {
    const { paths } = app.swagger() as unknown as {
      paths: Record<string, Record<string, { parameters?: Array<{ name: string; in: string; required?: boolean }> }>>
    }
    for (const path of ['/things', '/notes']) {
      t.ok(
        paths[path]?.post?.parameters?.some(({ name, in: place, required }) =>
          name === 'idempotency-key' && place === 'header' && required !== true
        ),
        path
      )
    }
    t.notOk(paths['/things/{id}']?.delete?.parameters?.some(({ name }) => name === 'idempotency-key'))
  })
})

t.test('MongoDB', async (t) => {
  const app = await build(t, {
    plugins: async (app) => {
      await copiedThings(app)
      app.post('/twice', {
        config: { transaction: { store: 'mongo', retries: 2 } },
        schema: { response: { 201: Type.Object({ run: Type.Integer() }) } }
      }, async (request, reply) => {
        const { attempt } = request.transaction
        const rival = app.mongo.client.startSession()
        rival.startTransaction()
        // The first run meets a document that another transaction has changed.
        if (attempt === 1) {
          await mongoDatabase(app).collection<{ _id: string }>('counters').updateOne(
            { _id: 'a' },
            { $inc: { n: 100 } },
            { session: rival }
          )
        }
        try {
          await request.mongo.collection<{ _id: string }>('counters').updateOne({ _id: 'a' }, { $inc: { n: 1 } })
        } finally {
          await rival.endSession()
        }
        reply.code(201)
        return { run: attempt }
      })
    }
  })
  const notes = mongoDatabase(app).collection('notes')
  await notes.createIndex({ name: 1 }, { unique: true })
  const keys = mongoDatabase(app).collection<{ _id: string; expires_at: Date }>('idempotency_keys')
  await holdsOn(t, app, '/notes', newThing, () => notes.countDocuments())

  t.test('an answer that rolls back is not kept', async (t) => {
    const [key, body] = [newKey(), newThing()]
    await post(app, '/notes', body)
    for (let n = 0; n < 2; n++) t.match(await post(app, '/notes', body, key), { status: 409 })
    await notes.deleteOne({ name: body.name })
    t.match(await post(app, '/notes', body, key), { status: 201, headers: { 'idempotency-replayed': undefined } })
  })

  t.test('after its time a key is new, also when MongoDB has not removed it yet', async (t) => {
    const [key, body] = [newKey(), newThing()]
    await post(app, '/notes', body, key)
    t.match(await keys.updateOne({ _id: `POST /notes ${key}` }, { $set: { expires_at: new Date(Date.now() + 60) } }), {
      modifiedCount: 1
    })
    await sleep(80)
    t.match(await post(app, '/notes', newThing(), key), { status: 201, headers: { 'idempotency-replayed': undefined } })
    t.ok(
      (await keys.findOne({ _id: `POST /notes ${key}` }))?.expires_at.getTime() as number > Date.now() + 23 * 3600_000
    )
  })

  t.test('a handler that runs again keeps the answer of the run that committed', async (t) => {
    const key = newKey()
    await mongoDatabase(app).collection<{ _id: string }>('counters').insertOne({ _id: 'a' })
    const [first, again] = [await post(app, '/twice', {}, key), await post(app, '/twice', {}, key)]
    t.match(first, { status: 201, body: { run: 2 } })
    t.match(again, { status: 201, body: { run: 2 }, headers: { 'idempotency-replayed': 'true' } })
    t.match(await mongoDatabase(app).collection<{ _id: string }>('counters').findOne({ _id: 'a' }), { n: 1 })
  })
})

t.test('SQLite', async (t) => {
  const { migrate } = await import('../../drizzle/migrate.ts')
  const url = `file:${newFolder(t)}/tandem.db`
  await migrate(url)
  const app = await build(t, { plugins: copiedThings, settings: { DATABASE_URL: url } })
  await holdsOn(t, app, '/followed', newThing, () => countThings(app))
  t.test('expiry', async (t) => {
    const key = newKey()
    await post(app, '/things', newThing(), key)
    await app.sqlite?.query("UPDATE idempotency_keys SET expires_at = '2000-01-01T00:00:00.000Z' WHERE key = $1", [key])
    t.match(await post(app, '/things', newThing(), key), {
      status: 201,
      headers: { 'idempotency-replayed': undefined }
    })
    await app.sqlite?.query("UPDATE idempotency_keys SET expires_at = '2000-01-01T00:00:00.000Z' WHERE key = $1", [key])
    t.equal(await deleteExpiredKeys(app), 1)
  })
})

t.test('own routes', async (t) => {
  let runs = 0
  const response = { 201: Type.Object({ run: Type.Integer() }) }
  const options: BuildOptions = {
    plugins: async (app) => {
      app.post('/required', { schema: { response }, config: { idempotency: 'required' } }, async (_request, reply) => {
        reply.code(201)
        return { run: ++runs }
      })
      app.post('/off', { schema: { response }, config: { idempotency: false } }, async (_request, reply) => {
        reply.code(201)
        return { run: ++runs }
      })
      app.post('/plain', { schema: { response }, config: { transaction: false } }, async (_request, reply) => {
        reply.code(201)
        return { run: ++runs }
      })
      app.put('/asked', { schema: { response }, config: { idempotency: true } }, async (_request, reply) => {
        reply.code(201)
        return { run: ++runs }
      })
      app.post('/callback', { schema: { response } }, (_request, reply) => {
        setTimeout(() => {
          reply.code(201).send({ run: ++runs })
        }, 20)
      })
      app.post('/sends', { schema: { response } }, async (_request, reply) => {
        await reply.code(201).send({ run: ++runs })
      })
      app.post('/empty', async (_request, reply) => {
        runs++
        reply.code(204)
      })
      app.post('/stream', async () => Readable.from(['a', 'b']))
      app.post('/dry', { schema: { response } }, async (request, reply) => {
        await request.transaction.query('SELECT 1')
        request.transaction.setRollbackOnly()
        reply.code(201)
        return { run: ++runs }
      })
      app.post('/deferred', { schema: { response } }, async (request, reply) => {
        await request.transaction.query('CREATE TEMP TABLE p (id int PRIMARY KEY) ON COMMIT DROP')
        await request.transaction.query(
          'CREATE TEMP TABLE c (id int REFERENCES p DEFERRABLE INITIALLY DEFERRED) ON COMMIT DROP'
        )
        if (++runs % 2 === 1) await request.transaction.query('INSERT INTO c VALUES (1)')
        reply.code(201)
        return { run: runs }
      })
    }
  }
  const app = await build(t, options)

  t.test('required: 400 without a key, and a handler that sends nothing to the database still runs once', async (t) => {
    t.match(await post(app, '/required', {}), {
      status: 400,
      body: { errors: [{ pointer: '/idempotency-key', detail: 'is required', in: 'header' }] }
    })
    const key = newKey()
    const first = await post(app, '/required', {}, key)
    t.equal(first.status, 201)
    t.equal((await post(app, '/required', {}, key)).text, first.text)
  })

  t.test('off, without a transaction, and asked for on another method', async (t) => {
    for (const url of ['/off', '/plain']) {
      const key = newKey()
      t.not((await post(app, url, {}, key)).text, (await post(app, url, {}, key)).text, url)
    }
    const key = newKey()
    const put = async () =>
      (await app.inject({ method: 'PUT', url: '/asked', payload: {}, headers: { 'idempotency-key': key } })).body
    t.equal(await put(), await put())
  })

  t.test('handlers of every style', async (t) => {
    for (const url of ['/callback', '/sends', '/empty']) {
      const [key, before] = [newKey(), runs]
      const [first, again] = [await post(app, url, {}, key), await post(app, url, {}, key)]
      t.match(again, {
        status: url === '/empty' ? 204 : 201,
        text: first.text,
        headers: { 'idempotency-replayed': 'true' }
      }, url)
      t.equal(runs, before + 1)
    }
  })

  t.test('a dry run is not kept', async (t) => {
    const key = newKey()
    t.not((await post(app, '/dry', {}, key)).text, (await post(app, '/dry', {}, key)).text)
  })

  t.test('an answer whose COMMIT fails is not kept', async (t) => {
    runs = 0
    const key = newKey()
    t.match(await post(app, '/deferred', {}, key), { status: 409, body: { type: '/docs/problems#reference' } })
    t.match(await post(app, '/deferred', {}, key), {
      status: 201,
      headers: { 'idempotency-replayed': undefined },
      body: { run: 2 }
    })
    t.match(await post(app, '/deferred', {}, key), {
      status: 201,
      headers: { 'idempotency-replayed': 'true' },
      body: { run: 2 }
    })
  })

  t.test('a streamed answer cannot be kept: refused when a key is sent', async (t) => {
    t.equal((await post(app, '/stream', {}, newKey()).catch(() => ({ status: 0 }))).status, 500)
    t.equal((await app.inject({ method: 'POST', url: '/stream' })).body, 'ab')
  })

  t.test('a route that cannot keep its promise refuses to boot', async (t) => {
    for (const transaction of [false, 'statement'] as const) {
      await t.rejects(
        build(t, {
          plugins: async (app) => {
            app.post(
              '/impossible',
              { schema: { response }, config: { idempotency: 'required', transaction } },
              async () => ({ run: 1 })
            )
          }
        }),
        { message: /POST \/impossible.*transaction/ }
      )
    }
  })
})
