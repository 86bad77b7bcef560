import { createHash } from 'node:crypto'
import { ObjectId } from 'mongodb'
import t from 'tap'
import type { App } from '../../app.ts'
import { mongoDatabase } from '../../plugins/mongo/index.ts'
import type { Problem } from '../../schemas/problem.ts'
import { build } from '../helper.ts'
import { hostilePayloads, validPayloads, type Payload } from './payloads.ts'

const EXAMPLE_ID = 42
const EXAMPLE_POST = '66f1c0a5e4b0a1b2c3d4e5f6'
// What no answer may repeat: SQL, hosts, stacks, names of drivers.
const LEAKS = /\b(select|insert into|sqlstate|econn\w+|mongoserver\w*|pg_\w+|errmsg)\b|node_modules|127\.0\.0\.1|"stack"/i

/** Rows and documents that the examples of the OpenAPI document name. */
async function addExamples (app: App): Promise<void> {
  await app.pg.query("insert into users (id, name, email) overriding system value values ($1, 'Ada', 'owner@example.com')", [EXAMPLE_ID])
  await app.pg.query('insert into orders (id, user_id, total) overriding system value values ($1, $1, 1)', [EXAMPLE_ID])
  const moment = new Date()
  await mongoDatabase(app).collection('posts').insertOne({
    _id: new ObjectId(EXAMPLE_POST), title: 'On', content: 'x', category: 'x', author_id: EXAMPLE_ID, created_at: moment, updated_at: moment
  })
}

const TABLES = ['users', 'orders', 'order_items', 'outbox']
const ROWS = TABLES.map((table) => `select md5(coalesce(string_agg(r::text, ',' order by id), '')) as rows from ${table} r`).join(' union all ')

/** Changes with every change of a row or document. */
async function fingerprint (app: App): Promise<string> {
  const documents = ['posts', 'users'].map((name) => mongoDatabase(app).collection(name).find().sort({ _id: 1 }).toArray())
  const [tables, ...collections] = await Promise.all([app.pg.query<{ rows: string }>(ROWS), ...documents])
  return createHash('sha1').update(JSON.stringify([tables.rows, collections])).digest('hex')
}

async function send (app: App, { method, url, body, contentType = 'application/json' }: Payload) {
  const hasBody = body !== undefined
  const headers = hasBody && contentType !== '' ? { 'content-type': contentType } : {}
  return await app.inject({ method, url, headers, ...(hasBody && { payload: body }) })
}

/** What is wrong with an answer to a hostile request; undefined when nothing is. */
function faultOf (payload: Payload, reply: { statusCode: number, headers: Record<string, unknown>, body: string }): string | undefined {
  const { statusCode, headers, body } = reply
  const said = `${payload.operation} (${payload.what.slice(0, 80)}): ${statusCode}`
  if (statusCode >= 500) return `${said} ${body}`
  if (statusCode < 400) return undefined
  if (headers['content-type'] !== 'application/problem+json') return `${said} is no problem body`
  const problem = JSON.parse(body) as Problem
  if (problem.status !== statusCode || !problem.type.startsWith('/docs/problems#') || problem.instance !== headers['x-request-id']) return `${said} ${body}`
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
    t.ok(statusCode < 300 || statusCode === 409, `${payload.operation}: the examples of the document pass its schema: ${statusCode} ${body}`)
  }
  const payloads = hostilePayloads()
  t.ok(payloads.length >= 300, `${payloads.length} requests`)
  const faults: string[] = []
  const statuses = new Map<number, number>()
  let before = await fingerprint(app)
  for (const payload of payloads) {
    const reply = await send(app, payload)
    statuses.set(reply.statusCode, (statuses.get(reply.statusCode) ?? 0) + 1)
    const fault = faultOf(payload, reply)
    if (fault !== undefined) faults.push(fault)
    if (payload.method === 'GET') continue
    const after = await fingerprint(app)
    if (reply.statusCode >= 400 && after !== before) faults.push(`${payload.operation} (${payload.what}) was refused and changed something`)
    before = after
  }
  t.same(faults, [])
  t.equal(await fingerprint(app), before, 'reads changed nothing')
  t.comment(JSON.stringify(Object.fromEntries(statuses)))
})
