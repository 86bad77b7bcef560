import { readFileSync } from 'node:fs'
import { connect } from 'node:net'
import path from 'node:path'
import { Type } from '@sinclair/typebox'
import t, { type Test } from 'tap'
import type { App } from '../../app.ts'
import { CATALOG } from '../../plugins/errors/catalog.ts'
import { mongoDatabase } from '../../plugins/mongo/index.ts'
import { problems, type Problem } from '../../schemas/problem.ts'
import { createThings } from '../fixture/tables.ts'
import { build, listen } from '../helper.ts'

const SECRET = 's3cret-value'
const autocommit = { config: { transaction: false as const } }

// What a client must never see, whatever went wrong.
const FORBIDDEN = [SECRET, /\b(select|insert|raise)\b/i, /postgres|mongo|127\.0\.0\.1/i, /node_modules|\bat .*:\d+/]

interface Reply {
  statusCode: number
  headers: Record<string, unknown>
  body: string
}

function withRoutes (t: Test, plugins: (app: App) => Promise<void>, log: string[] = []): Promise<App> {
  return build(t, {
    plugins,
    logger: {
      level: 'trace',
      stream: {
        write: (line) => {
          log.push(line)
        }
      }
    }
  })
}

function isProblem (t: Test, reply: Reply, status: number, type: string): Problem {
  const body = JSON.parse(reply.body) as Problem
  t.equal(reply.statusCode, status, type)
  t.equal(reply.headers['content-type'], 'application/problem+json')
  t.match(body, {
    status,
    type: `/docs/problems#${type}`,
    title: /\S/,
    detail: /\S/,
    instance: reply.headers['x-request-id']
  })
  for (const pattern of FORBIDDEN) t.notMatch(reply.body, pattern)
  return body
}

t.test('requests that do not match their schema', async (t) => {
  const ItemSchema = Type.Object({ sku: Type.String({ minLength: 1 }), count: Type.Integer({ minimum: 1 }) }, {
    additionalProperties: false
  })
  const app = await withRoutes(t, async (app) => {
    app.post('/things/:id', {
      ...autocommit,
      schema: {
        params: Type.Object({ id: Type.Integer({ minimum: 1 }) }),
        querystring: Type.Object({ limit: Type.Integer({ maximum: 100, default: 100 }) }),
        body: Type.Object({
          'a/b': Type.Optional(Type.Null()),
          color: Type.Optional(Type.Unsafe<string>({ type: 'string', enum: ['red', 'blue'] })),
          items: Type.Array(ItemSchema, { maxItems: 200 })
        }, { additionalProperties: false }),
        response: { 200: Type.Object({ limit: Type.Integer() }), ...problems(404) }
      }
    }, async (request) => ({ limit: request.query.limit }))
  })
  const post = (payload: unknown, url = '/things/1') =>
    app.inject({
      method: 'POST',
      url,
      headers: { 'content-type': 'application/json' },
      payload: JSON.stringify(payload)
    })

  await t.test('every error of a body at once, with pointers and without values', async (t) => {
    const reply = await post({
      color: SECRET,
      'a/b': 1,
      items: [{ sku: '', count: 0 }, { sku: 'x', count: '2', more: SECRET }]
    })
    const { errors, detail } = isProblem(t, reply, 400, 'invalid-request')
    t.equal(detail, 'The body of the request has 6 errors')
    t.strictSame(errors?.map(({ pointer, detail }) => `${pointer} ${detail}`).sort(), [
      '/a~1b must be null',
      '/color must be one of red, blue',
      '/items/0/count must be >= 1',
      '/items/0/sku must NOT have fewer than 1 characters',
      '/items/1/count must be integer',
      '/items/1/more is not a known field'
    ])
  })
  await t.test('a missing field, a null, a wrong type: nothing is coerced', async (t) => {
    t.match(isProblem(t, await post({}), 400, 'invalid-request').errors, [{ pointer: '/items', detail: 'is required' }])
    for (const items of [null, 'x', 1, {}, [null]]) isProblem(t, await post({ items }), 400, 'invalid-request')
    t.match(isProblem(t, await post([]), 400, 'invalid-request').errors, [{ pointer: '', detail: 'must be object' }])
  })
  await t.test('at most fifty errors are listed', async (t) => {
    const { errors, detail } = isProblem(
      t,
      await post({ items: Array.from({ length: 200 }, () => ({})) }),
      400,
      'invalid-request'
    )
    t.equal(errors?.length, 50)
    t.equal(detail, 'The body of the request has 50 of 400 errors')
  })
  await t.test('a long name of a field is cut', async (t) => {
    const { errors } = isProblem(t, await post({ items: [], ['x'.repeat(10_000)]: 1 }), 400, 'invalid-request')
    t.ok((errors?.[0]?.pointer.length ?? 0) < 300)
  })
  await t.test('path and query are coerced, and their errors say where they are', async (t) => {
    t.same((await post({ items: [] }, '/things/7?limit=5')).json(), { limit: 5 })
    t.same((await post({ items: [] }, '/things/7')).json(), { limit: 100 })
    t.match(isProblem(t, await post({ items: [] }, `/things/${SECRET}`), 400, 'invalid-request'), {
      detail: 'The path of the request has 1 error',
      errors: [{ pointer: '/id', detail: 'must be integer', in: 'path' }]
    })
    t.match(isProblem(t, await post({ items: [] }, '/things/7?limit=101'), 400, 'invalid-request').errors, [{
      pointer: '/limit',
      detail: 'must be <= 100',
      in: 'query'
    }])
  })
})

t.test('requests that cannot be read', async (t) => {
  const app = await withRoutes(t, async (app) => {
    app.post('/things', { ...autocommit, schema: { body: Type.Unknown() } }, async () => 'done')
    app.get('/things/:name', async () => 'here')
    app.put('/things/:name', autocommit, async () => 'put')
    app.get('/things/fixed', async () => 'fixed')
  })
  const post = (payload: string, type = 'application/json') =>
    app.inject({ method: 'POST', url: '/things', headers: { 'content-type': type }, payload })

  isProblem(t, await post(`{"a": ${SECRET}`), 400, 'bad-request')
  isProblem(t, await post('{"__proto__": 1}'), 400, 'bad-request')
  isProblem(t, await post(''), 400, 'bad-request')
  for (const type of ['application/xml', 'text/plain', 'application/json-seq', 'nonsense', 'multipart/form-data']) {
    isProblem(t, await post('{}', type), 415, 'unsupported-media-type')
  }
  t.equal((await post('{}', 'application/json; charset=utf-8')).statusCode, 200)
  isProblem(t, await post('a=b', 'application/x-www-form-urlencoded'), 415, 'unsupported-media-type')
  isProblem(t, await post(JSON.stringify('x'.repeat(1_048_577))), 413, 'body-too-large')
  isProblem(t, await app.inject('/things/%E0%A4%A'), 400, 'bad-request')
  isProblem(t, await app.inject(`/things/${'x'.repeat(1001)}`), 414, 'uri-too-long')
  t.equal(
    (await app.inject(`/things/${encodeURIComponent('😀'.repeat(50))}`)).statusCode,
    200,
    'the longest name in the longest encoding'
  )
  isProblem(t, await app.inject(`/nothing/${SECRET}`), 404, 'not-found')
  isProblem(t, await app.inject(`/docs/${SECRET}`), 404, 'not-found')
  isProblem(t, await app.inject('/docs/static/..%2f..%2fpackage.json'), 404, 'not-found')

  await t.test('a wrong method is told the right ones', async (t) => {
    const wrong = async (method: string, url: string) => {
      const reply = await app.inject({ method: method as 'GET', url })
      isProblem(t, reply, 405, 'method-not-allowed')
      return reply.headers.allow
    }
    t.equal(await wrong('DELETE', '/things'), 'POST')
    t.equal(await wrong('DELETE', '/things/?x=1'), 'POST')
    t.equal(await wrong('POST', '/things/7'), 'GET, HEAD, PUT')
    t.equal(await wrong('POST', '/things/fixed'), 'GET, HEAD')
    t.equal(await wrong('PUT', '/things/fixed'), 'GET, HEAD', 'the path is that of another route, as in OpenAPI')
    t.equal(await wrong('PUT', '/things/f%69xed/?x=1'), 'GET, HEAD')
    t.equal((await app.inject({ method: 'PUT', url: '/things/fixed2' })).body, 'put')
    t.equal(await wrong('QUERY', '/things/7'), 'GET, HEAD, PUT')
    t.equal(await wrong('QUERY', '/livez'), 'GET, HEAD')
    t.equal(await wrong('OPTIONS', '/things/7'), 'GET, HEAD, PUT')
    t.equal(await wrong('PROPFIND', '/things/7'), 'GET, HEAD, PUT')
  })
  await t.test('what no route is for is answered before its body is looked at', async (t) => {
    const send = async (url: string, payload: string, type: string) =>
      await app.inject({ method: 'POST', url, headers: { 'content-type': type }, payload })
    isProblem(t, await send('/nothing', '{"a', 'application/json'), 404, 'not-found')
    isProblem(t, await send('/nothing', 'a', 'nonsense'), 404, 'not-found')
    isProblem(t, await send('/things/7', '"'.repeat(1_048_577), 'application/json'), 405, 'method-not-allowed')
    t.equal((await app.inject({ method: 'QUERY' as 'GET', url: '/nothing' })).statusCode, 404)
  })
  await t.test('with and without a trailing slash', async (t) => {
    t.equal((await app.inject('/things/7/')).statusCode, 200)
    t.equal((await app.inject('/livez/')).statusCode, 200)
  })
  await t.test('HEAD has no body', async (t) => {
    t.equal((await app.inject({ method: 'HEAD', url: '/things/7' })).body, '')
  })
})

t.test('F45 faults of the service', async (t) => {
  const log: string[] = []
  const app = await withRoutes(t, async (app) => {
    app.get('/bug', async () => {
      throw new TypeError(`cannot do ${SECRET}`)
    })
    app.get('/text', async () => {
      throw SECRET
    })
    app.get('/url', async () => {
      throw new Error(`no answer from http://user:${SECRET}@example.com/x`)
    })
    app.get('/hidden', async () => {
      throw Object.assign(new Error(SECRET), { statusCode: 409 })
    })
    app.get('/odd', async () => {
      throw Object.assign(new Error(SECRET), { statusCode: 200 })
    })
    app.get('/shown', async () => {
      throw app.createProblem(409, 'The order was shipped')
    })
    app.get('/fields', async () => {
      throw app.createProblem(422, 'No such colour', {
        errors: [{ pointer: '/colour', detail: 'is not sold' }],
        type: 'unprocessable'
      })
    })
    app.get('/missing', async () => {
      throw app.createProblem(404, 'User not found')
    })
    app.get('/later', async () => {
      throw app.createProblem(503, SECRET)
    })
    app.get(
      '/serialize',
      { schema: { response: { 200: Type.Object({ n: Type.Integer() }) } } },
      async () => ({} as { n: number })
    )
  }, log)

  isProblem(t, await app.inject('/bug'), 500, 'internal')
  isProblem(t, await app.inject('/text'), 500, 'internal')
  isProblem(t, await app.inject('/url'), 500, 'internal')
  isProblem(t, await app.inject('/hidden'), 409, 'conflict')
  isProblem(t, await app.inject('/odd'), 500, 'internal')
  isProblem(t, await app.inject('/serialize'), 500, 'internal')
  t.equal(isProblem(t, await app.inject('/shown'), 409, 'conflict').detail, 'The order was shipped')
  t.equal(isProblem(t, await app.inject('/missing'), 404, 'not-found').detail, 'User not found')
  t.match(isProblem(t, await app.inject('/fields'), 422, 'unprocessable'), {
    detail: 'No such colour',
    errors: [{ pointer: '/colour', detail: 'is not sold' }]
  })
  const later = await app.inject('/later')
  isProblem(t, later, 503, 'unavailable')
  t.equal(later.headers['retry-after'], '1')

  await t.test('all 500 bodies are alike but for the instance', async (t) => {
    const bodies = await Promise.all(['/bug', '/url', '/odd'].map(async (url) => {
      const body: Partial<Problem> = (await app.inject(url)).json()
      delete body.instance
      return JSON.stringify(body)
    }))
    t.equal(new Set(bodies).size, 1)
  })
  await t.test('the log has message and stack of a bug, but no password of a URL', async (t) => {
    const lines = log.map((line) => JSON.parse(line) as { err?: { type: string; message: string; stack: string } })
    const bug = lines.find(({ err }) => err?.type === 'TypeError')
    t.match(bug?.err?.message, 'cannot do')
    t.match(bug?.err?.stack, /at .*errors\.test/)
    t.match(log.join(''), 'no answer from http://***@example.com/x')
    t.notMatch(log.join(''), `user:${SECRET}`)
  })
})

t.test('what PostgreSQL refuses', async (t) => {
  const log: string[] = []
  const app = await withRoutes(t, async (app) => {
    await createThings(app)
    app.post('/sql', { schema: { body: Type.String() } }, async (request) => {
      await request.transaction.query(request.body)
      return 'done'
    })
    app.delete('/sql', { schema: { body: Type.String() } }, async (request) => {
      await request.transaction.query(request.body)
      return 'done'
    })
  }, log)
  const send = async (sql: string, method: 'POST' | 'DELETE' = 'POST') =>
    await app.inject({
      method,
      url: '/sql',
      headers: { 'content-type': 'application/json' },
      payload: JSON.stringify(sql)
    })
  const raise = (code: string) =>
    send(`do $$ begin raise exception using errcode = '${code}', message = '${SECRET}'; end $$`)

  const insert = `insert into things (name) values ('${SECRET}')`
  await send(insert)
  isProblem(t, await send(insert), 409, 'duplicate')
  const missing = "insert into things (name, part_of) values ('x', 999)"
  isProblem(t, await send(missing), 409, 'reference')
  await send("insert into things (name, part_of) values ('part', (select min(id) from things))")
  const used = isProblem(t, await send('delete from things where part_of is null', 'DELETE'), 409, 'reference')
  t.notOk(used.errors)
  isProblem(t, await send("insert into things (name) values (repeat('x', 201))"), 422, 'value-refused')
  isProblem(t, await send('insert into things (name) values (null)'), 422, 'value-refused')
  isProblem(t, await send(`select '${SECRET}'::integer`), 422, 'value-refused')
  isProblem(t, await send(`selekt '${SECRET}'`), 500, 'internal')

  const raised: Array<[string, number, string]> = [
    ['40001', 503, 'write-conflict'],
    ['40P01', 503, 'write-conflict'],
    ['55P03', 503, 'lock-timeout'],
    ['57014', 504, 'database-timeout'],
    ['53100', 503, 'out-of-resources'],
    ['25006', 503, 'database-unavailable'],
    ['22003', 422, 'value-refused'],
    ['XX000', 500, 'internal']
  ]
  for (const [code, status, type] of raised) {
    const reply = await raise(code)
    isProblem(t, reply, status, type)
    t.equal(typeof reply.headers['retry-after'], status === 503 ? 'string' : 'undefined', `${type}: Retry-After`)
  }
  const lines = log.join('')
  t.notMatch(lines, SECRET, 'nothing of it is in the log')
  t.match(lines, '"sqlstate":"23505"', 'but the SQLSTATE is')
  t.match(lines, '"constraint":"things_name_key"', 'and the constraint')
})

t.test('a key that the database has made, and found taken, is no fault of the request', async (t) => {
  const log: string[] = []
  const event = "'things', '1', '{}'"
  const app = await withRoutes(t, async (app) => {
    app.post('/events', async (request) => {
      await request.transaction.query(`insert into outbox (topic, key, payload) values (${event})`)
      return 'done'
    })
  }, log)
  await app.pg.query(`insert into outbox (id, topic, key, payload, parked_at) values (1, ${event}, now())`)
  isProblem(t, await app.inject({ method: 'POST', url: '/events' }), 500, 'internal')
  t.match(log.join(''), /a key of \\"outbox\\" that is taken.*select setval/)
})

t.test('what MongoDB refuses', async (t) => {
  const log: string[] = []
  const note = { title: SECRET, slug: 'taken', made_at: new Date() }
  const validator = {
    $jsonSchema: {
      required: ['title', 'made_at'],
      additionalProperties: false,
      properties: { _id: {}, slug: {}, title: { bsonType: 'string', minLength: 1 }, made_at: { bsonType: 'date' } }
    }
  }
  const app = await withRoutes(t, async (app) => {
    app.post(
      '/mongo',
      { ...autocommit, schema: { body: Type.Record(Type.String(), Type.Unknown()) } },
      async (request) => {
        await mongoDatabase(app).collection('notes').insertOne({ ...note, ...request.body })
        return 'done'
      }
    )
  }, log)
  const send = async (fields: Record<string, unknown>) =>
    await app.inject({ method: 'POST', url: '/mongo', payload: fields })

  await (await mongoDatabase(app).createCollection('notes', { validator })).createIndex({ slug: 1 }, { unique: true })
  t.equal((await send({})).statusCode, 200)
  isProblem(t, await send({}), 409, 'duplicate')
  const refused = isProblem(t, await send({ slug: 'other', title: '', color: SECRET }), 422, 'document-refused')
  t.strictSame(refused.errors?.map(({ pointer }) => pointer).sort(), ['/color', '/title'])
  const late = await send({ slug: 'other', made_at: SECRET })
  t.ok(isProblem(t, late, 422, 'document-refused').errors?.some(({ pointer }) => pointer === '/made_at'))
  t.notMatch(log.join(''), SECRET)
})

t.test('ids of requests', async (t) => {
  const app = await build(t)
  const idFor = async (id: string) =>
    (await app.inject({ url: '/livez', headers: { 'x-request-id': id } })).headers['x-request-id']
  t.equal(await idFor('Order_42-a'), 'Order_42-a')
  for (const forged of ['', 'a b', 'a\tb', '<script>', 'x'.repeat(65), 'ä', '{"level":60}']) {
    t.match(await idFor(forged), /^[0-9a-f-]{36}$/, JSON.stringify(forged))
  }
})

t.test('what the HTTP parser refuses is a problem too', async (t) => {
  const app = await build(t)
  const { port } = new URL(await listen(t, app))
  const raw = async (request: string) => {
    const socket = connect(Number(port), '127.0.0.1')
    socket.end(request)
    let reply = ''
    for await (const chunk of socket) reply += String(chunk)
    const [head = '', body = ''] = reply.split('\r\n\r\n')
    const headers = Object.fromEntries(head.split('\r\n').slice(1).map((line) => line.toLowerCase().split(': ')))
    return { statusCode: Number(head.split(' ')[1]), headers, body }
  }
  isProblem(t, await raw('GET / HTTP/1.1\r\nbad header\r\n\r\n'), 400, 'bad-request')
  isProblem(t, await raw('NONSENSE\r\n\r\n'), 400, 'bad-request')
  isProblem(t, await raw(`GET / HTTP/1.1\r\nhost: x\r\nx: ${'y'.repeat(20_000)}\r\n\r\n`), 431, 'headers-too-large')
  t.equal((await fetch(`http://127.0.0.1:${port}/livez`)).status, 200, 'and the service goes on')
})

t.test('every problem type is explained', async (t) => {
  const text = readFileSync(path.join(import.meta.dirname, '..', '..', 'docs', 'problems.md'), 'utf8')
  const app = await build(t)
  const page = await app.inject('/docs/problems')
  t.match(page.headers['content-type'], 'text/html')
  for (const type of Object.keys(CATALOG)) {
    t.match(text, `| \`${type}\` |`)
    t.match(page.body, `id="${type}"`)
  }
})
