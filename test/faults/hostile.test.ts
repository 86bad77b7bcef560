import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { ObjectId } from 'mongodb'
import t from 'tap'
import type { App } from '../../app.ts'
import { mongoDatabase } from '../../plugins/mongo/index.ts'
import type { Problem } from '../../schemas/problem.ts'
import { SettingsSchema } from '../../schemas/settings.ts'
import { build, listen } from '../helper.ts'
import { hostilePayloads, validPayloads, type Payload } from './payloads.ts'
import { garbageBehind, rawSheet, slowHeaders, slowReader, slowUploads } from './raw.ts'
import { isWell } from './well.ts'

const EXAMPLE_ID = 42
const EXAMPLE_POST = '66f1c0a5e4b0a1b2c3d4e5f6'
// What no answer may repeat: SQL, hosts, stacks, names of drivers.
const LEAKS =
  /\b(select|insert into|sqlstate|econn\w+|mongoserver\w*|pg_\w+|errmsg)\b|node_modules|127\.0\.0\.1|"stack"/i

/** Rows and documents that the examples of the OpenAPI document name. */
async function addExamples (app: App): Promise<void> {
  await app.pg.query(
    "insert into users (id, name, email) overriding system value values ($1, 'Ada', 'owner@example.com')",
    [EXAMPLE_ID]
  )
  await app.pg.query('insert into orders (id, user_id, total) overriding system value values ($1, $1, 1)', [EXAMPLE_ID])
  const times = new Date()
  await mongoDatabase(app).collection('posts').insertOne({
    _id: new ObjectId(EXAMPLE_POST),
    title: 'On',
    content: 'x',
    category: 'x',
    author_id: EXAMPLE_ID,
    created_at: times,
    updated_at: times
  })
}

const TABLES = ['users', 'orders', 'order_items', 'outbox']
const ROWS = TABLES.map((table) =>
  `select md5(coalesce(string_agg(r::text, ',' order by id), '')) as rows from ${table} r`
).join(' union all ')

/** Changes with every change of a row or document. */
async function fingerprint (app: App): Promise<string> {
  const documents = ['posts', 'users'].map((name) =>
    mongoDatabase(app).collection(name).find().sort({ _id: 1 }).toArray()
  )
  const [tables, ...collections] = await Promise.all([app.pg.query<{ rows: string }>(ROWS), ...documents])
  return createHash('sha1').update(JSON.stringify([tables.rows, collections])).digest('hex')
}

async function send (app: App, { method, url, body, headers: others, contentType = 'application/json' }: Payload) {
  const hasBody = body !== undefined
  const headers = { ...others, ...(hasBody && contentType !== '' && { 'content-type': contentType }) }
  return await app.inject({ method, url, headers, ...(hasBody && { payload: body }) })
}

/** What is wrong with an answer to a hostile request; undefined when nothing is. */
function findFault (
  payload: Payload,
  reply: { statusCode: number; headers: Record<string, unknown>; body: string }
): string | undefined {
  const { statusCode, headers, body } = reply
  const said = `${payload.operation} (${payload.what.slice(0, 80)}): ${statusCode}`
  if (statusCode >= 500) return `${said} ${body}`
  if (statusCode < 400) return undefined
  if (headers['content-type'] !== 'application/problem+json') return `${said} is no problem body`
  const problem = JSON.parse(body) as Problem
  if (
    problem.status !== statusCode || !problem.type.startsWith('/docs/problems#') ||
    problem.instance !== headers['x-request-id']
  ) return `${said} ${body}`
  if (LEAKS.test(body)) return `${said} tells too much: ${body}`
  // 404 and 414 also come from paths that match no route.
  if (![404, 405, 414, ...payload.documented].includes(statusCode)) return `${said} is not in the OpenAPI document`
  return undefined
}

t.test('F43 hostile input', async (t) => {
  const app = await build(t, { settings: { PROJECTIONS: false } })
  await addExamples(app)
  for (const payload of validPayloads()) {
    const { statusCode, body } = await send(app, payload)
    t.ok(
      statusCode < 300 || statusCode === 409,
      `${payload.operation}: the examples of the document pass its schema: ${statusCode} ${body}`
    )
  }
  const payloads = hostilePayloads()
  t.ok(payloads.length >= 300, `${payloads.length} requests`)
  const faults: string[] = []
  const statuses = new Map<number, number>()
  let before = await fingerprint(app)
  for (const payload of payloads) {
    const reply = await send(app, payload)
    statuses.set(reply.statusCode, (statuses.get(reply.statusCode) ?? 0) + 1)
    const fault = findFault(payload, reply)
    if (fault !== undefined) faults.push(fault)
    if (payload.method === 'GET') continue
    const after = await fingerprint(app)
    if (reply.statusCode >= 400 && after !== before) {
      faults.push(`${payload.operation} (${payload.what}) was refused and changed something`)
    }
    before = after
  }
  t.same(faults, [])
  t.equal(await fingerprint(app), before, 'reads changed nothing')
  t.comment(JSON.stringify(Object.fromEntries(statuses)))
})

t.test('connections', async (t) => {
  const app = await build(t, {
    settings: { PROJECTIONS: false },
    plugins: async (app) => {
      app.get('/large', { config: { transaction: true } }, async (request) => {
        await request.transaction.query('select 1')
        return Buffer.alloc(40_000_000, 'x')
      })
    }
  })
  const origin = await listen(t, app)
  const port = Number(new URL(origin).port)
  await t.test('F44 raw sockets', (t) => rawSheet(t, app, port))
  await t.test('F44 garbage behind a write', (t) => garbageBehind(t, app, port))
  await t.test('F44 slow headers', (t) => slowHeaders(t, app, port))
  await t.test('F32 slow uploads', (t) => slowUploads(t, app, port))
  await t.test('F33 a slow reader', (t) => slowReader(t, app, port))
  const { pool } = app.pg
  await isWell(t, {
    pool,
    databaseUrl: String(app.config.DATABASE_URL),
    send: async (method, url, body) => (await app.inject({ method, url, ...(body && { payload: body }) })).statusCode
  })
})

t.test('F46 what the log must not say', async (t) => {
  const SECRET = 's3cret-value'
  const log: string[] = []
  const app = await build(t, {
    logger: {
      level: 'trace',
      stream: {
        write: (line) => {
          log.push(line)
        }
      }
    }
  })
  const email = `${SECRET}@example.com`
  const headers = {
    authorization: `Bearer ${SECRET}`,
    cookie: `session=${SECRET}`,
    'x-request-id': `${SECRET}\u001b[2J`.repeat(300),
    'x-api-key': SECRET
  }
  const ask = async (method: 'GET' | 'POST' | 'PATCH', url: string, payload?: object) =>
    (await app.inject({ method, url, headers, ...(payload && { payload }) })).statusCode
  const forged = `${SECRET}\n{"level":60,"msg":"forged"}\u001b[2J`
  t.equal(await ask('POST', `/users?token=${SECRET}`, { name: forged, email }), 400)
  t.equal(await ask('POST', '/users', { name: SECRET, email: `${forged}@example.com` }), 400)
  t.equal(await ask('POST', '/users', { name: SECRET, email }), 201)
  t.equal(await ask('POST', '/users', { name: SECRET, email }), 409)
  t.equal(await ask('PATCH', '/users/1', { email: SECRET }), 400)
  t.equal(await ask('GET', `/users?email=${email}`), 200)
  t.equal(
    await ask('POST', '/posts', { title: SECRET, content: forged, category: SECRET, author_id: 1, slug: 'a-b' }),
    201
  )
  t.equal(
    await ask('POST', '/posts', { title: SECRET, content: SECRET, category: SECRET, author_id: 1, slug: 'a-b' }),
    409
  )
  t.equal(
    await ask('POST', '/orders', { user_id: 1, items: [{ product: SECRET, quantity: 0, unit_price: SECRET }] }),
    400
  )
  t.ok(log.length > 10)
  for (const line of log) {
    t.match(line, /^\{[^\n]*\}\n$/, 'a line is one JSON object')
    t.doesNotThrow(() => {
      JSON.parse(line)
    })
    t.notMatch(line, SECRET)
  }
})

t.test('bounds', async (t) => {
  const table = readFileSync(path.join(import.meta.dirname, '..', '..', 'docs', 'faults.md'), 'utf8')
  const { properties } = SettingsSchema
  const order = [
    'DATABASE_LOCK_TIMEOUT_MS',
    'DATABASE_STATEMENT_TIMEOUT_MS',
    'DATABASE_TRANSACTION_TIMEOUT_MS',
    'HANDLER_TIMEOUT_MS',
    'SHUTDOWN_GRACE_MS'
  ] as const
  const defaults = order.map((name) => properties[name].default as number)
  t.strictSame(
    [...new Set(defaults)].sort((one, other) => one - other),
    defaults,
    'lock < statement < transaction < request < grace'
  )
  const app = await build(t, { settings: { PROJECTIONS: false } })
  const { server } = app
  t.ok(server.headersTimeout < server.requestTimeout, 'headers < request on the wire')
  t.ok(app.config.HANDLER_TIMEOUT_MS < server.timeout, 'a silent handler < a silent connection')
  const timeouts = app.mongo.client.options
  t.ok(
    timeouts.waitQueueTimeoutMS < app.config.HANDLER_TIMEOUT_MS &&
      timeouts.serverSelectionTimeoutMS < app.config.HANDLER_TIMEOUT_MS &&
      timeouts.socketTimeoutMS < app.config.HANDLER_TIMEOUT_MS
  )
  for (
    const [name, value] of Object.entries({
      ...Object.fromEntries(order.map((name) => [name, properties[name].default as number])),
      DATABASE_POOL_TIMEOUT_MS: properties.DATABASE_POOL_TIMEOUT_MS.default as number,
      headersTimeout: server.headersTimeout,
      requestTimeout: server.requestTimeout,
      connectionTimeout: server.timeout,
      keepAliveTimeout: server.keepAliveTimeout,
      waitQueueTimeoutMS: timeouts.waitQueueTimeoutMS,
      serverSelectionTimeoutMS: timeouts.serverSelectionTimeoutMS,
      connectTimeoutMS: timeouts.connectTimeoutMS,
      socketTimeoutMS: timeouts.socketTimeoutMS
    })
  ) t.match(table, `| \`${name}\` | ${value} |`, `docs/faults.md lists ${name} as it is`)
})
