import { Binary, Decimal128, Double, Long, MongoClient, ObjectId, Timestamp, type Document } from 'mongodb'
import type { LightMyRequestResponse } from 'fastify'
import t, { type Test } from 'tap'
import type { App } from '../../app.ts'
import { mongoDatabase } from '../../plugins/mongo/index.ts'
import { build, comesTrue, databases } from '../helper.ts'

interface Id {
  id: string
}

const good = (n: number): Document => ({
  title: `Good ${n}`,
  content: 'text',
  category: 'news',
  author_id: 1,
  created_at: new Date(Date.UTC(2025, 0, 1 + n)),
  updated_at: new Date()
})

/** One field of a good document is something that a schema or JSON has no words for; `undefined` leaves it out. */
const STRANGE: Document[] = [
  { author_id: 1e300 },
  { author_id: Long.MAX_VALUE },
  { author_id: new Double(Number.NaN) },
  { author_id: new Double(1.5) },
  { author_id: 'seven' },
  { author_id: -1 },
  { author_id: 2 ** 53 },
  { created_at: new Date(8.64e15) },
  { created_at: new Date(-8.64e15) },
  { created_at: new Date('+010000-01-01T00:00:00Z') },
  { created_at: 'yesterday' },
  { created_at: null },
  { title: 7 },
  { title: undefined },
  { category: { nested: true } },
  { title: ['a', 'list'] },
  { title: '' },
  { title: 'x'.repeat(201) },
  { title: 'a\0b' },
  { title: '\u{1f600}'.repeat(201) },
  { category: 'c'.repeat(51) },
  { category: Decimal128.fromString('1') },
  { author_id: Decimal128.fromString('1') },
  { author_id: new Double(-0) },
  { author_id: new ObjectId() },
  { author_id: [1] },
  { author_id: new Binary(Buffer.from('1')) },
  { created_at: new Timestamp({ t: 1_735_689_600, i: 1 }) },
  { created_at: 1_735_689_600_000 },
  { _id: 'a text' },
  { _id: 7 }
]

async function store (app: App, documents: Document[]): Promise<void> {
  await mongoDatabase(app).collection('posts').insertMany(documents, {
    bypassDocumentValidation: true,
    ignoreUndefined: true
  })
}

/** Every page of a list by its links; fails where one is no 200. */
async function walk (t: Test, app: App, first: string): Promise<string[]> {
  const seen: string[] = []
  for (let url: string | undefined = first, pages = 0; url !== undefined && pages < 200; pages++) {
    const reply: LightMyRequestResponse = await app.inject(url)
    t.equal(reply.statusCode, 200, url)
    seen.push(...reply.json<Id[]>().map(({ id }) => id))
    url = /^<([^>]+)>/.exec(String(reply.headers.link ?? ''))?.[1]
  }
  return seen
}

t.test('F57 a strange document costs its own row in every list, and is reported', async (t) => {
  const lines: string[] = []
  const app = await build(t, { logger: { level: 'warn', stream: { write: (line) => void lines.push(line) } } })
  await app.inject({ method: 'POST', url: '/users', payload: { name: 'Ada', email: 'ada@example.com' } })
  const documents = STRANGE.flatMap((fields, n) => [{ ...good(n), ...fields }, { ...good(n), title: `Good ${n}` }])
  // A whole page of them, and more, in a row.
  const row = Array.from(
    { length: 7 },
    (_, n) => ({ ...good(3), created_at: new Date(Date.UTC(2024, 0, n)), title: n })
  )
  await store(app, [...documents, ...row])
  const older = new ObjectId()
  await store(app, [{ ...good(0), _id: older, created_at: new Date('0900-06-01T00:00:00Z') }])

  for (const list of ['/posts', '/posts/summaries', '/posts/by-category/news']) {
    for (const limit of [1, 2, 5, 100]) {
      const seen = await walk(t, app, `${list}?limit=${limit}`)
      // What a list does not show may be strange in it, and in no other: summaries have no content.
      t.equal(new Set(seen).size, seen.length, `${list} ${limit}: no row twice`)
      t.equal(seen.length, STRANGE.length + 1, `${list} ${limit}: each good row`)
      t.equal(seen.at(-1), older.toHexString(), 'to the end')
    }
    for (let skip = 0; skip < 45; skip += 5) t.equal((await app.inject(`${list}?limit=5&skip=${skip}`)).statusCode, 200)
  }
  t.equal((await app.inject('/users')).statusCode, 200)
  t.equal((await app.inject('/users/summary')).statusCode, 200)

  const reported = lines.map((line) => JSON.parse(line) as Document).filter(({ msg }) =>
    String(msg).startsWith('a document was left out')
  )
  t.ok(reported.length >= STRANGE.length, 'each is named')
  const keys = reported.map(({ id, reason }) => `${String(id)} ${String(reason)}`)
  t.equal(new Set(keys).size, keys.length, 'once')
  t.notMatch(JSON.stringify(reported), /yesterday|seven|nested|a text/, 'without its values')
  t.match(await app.metrics.text(), /tandem_documents_left_out_total\{collection="posts"\} [1-9]/)
})

t.test('F57 a strange document that is read by its id has a problem type of its own, and can be deleted', async (t) => {
  const lines: string[] = []
  const app = await build(t, { logger: { level: 'warn', stream: { write: (line) => void lines.push(line) } } })
  await app.inject({ method: 'POST', url: '/users', payload: { name: 'Ada', email: 'ada@example.com' } })
  const more: Document[] = [
    { content: 'x'.repeat(100_001) },
    { content: 7 },
    { content: undefined },
    { slug: 'Not A Slug' },
    { slug: ['a'] },
    { updated_at: '2025' },
    { version: 'first' },
    { version: 1.5 },
    { version: -1 }
  ]
  const strange = [...STRANGE, ...more].filter((fields) => !('_id' in fields))
  const documents = strange.map((fields): Document => ({ ...good(1), _id: new ObjectId(), version: 1, ...fields }))
  await store(app, documents)
  const complete = { title: 'Right', content: 'text', category: 'news', author_id: 1, slug: null }
  for (const [n, { _id }] of documents.entries()) {
    const url = `/posts/${String(_id)}`
    const fields = strange[n] ?? {}
    const name = JSON.stringify(fields).slice(0, 60)
    for (const headers of [{}, { 'if-none-match': '*' }, { 'if-none-match': '"1-x"' }]) {
      const reply = await app.inject({ url, headers })
      t.match(reply.json(), { status: 500, type: '/docs/problems#document-unreadable' }, `GET ${name}`)
      t.equal(reply.headers.etag, undefined)
    }
    t.equal((await app.inject({ method: 'HEAD', url })).statusCode, 500)
    const patch = await app.inject({ method: 'PATCH', url, payload: { slug: 'a-slug-of-its-own' } })
    // A change sets updated_at, and this one the slug: what is strange in nothing else is right behind it.
    const isRight = 'slug' in fields || 'updated_at' in fields
    t.equal(patch.statusCode, isRight ? 200 : 422, `PATCH ${name}`)
    const whole = await app.inject({ method: 'PUT', url, payload: complete })
    t.ok([200, 422].includes(whole.statusCode), `PUT ${name}: ${whole.statusCode}`)
    if (whole.statusCode === 200) t.match((await app.inject(url)).json(), { title: 'Right', author_id: 1 })
    t.equal((await app.inject({ method: 'DELETE', url })).statusCode, 204, `DELETE ${name}`)
    t.equal((await app.inject(url)).statusCode, 404)
  }
  const reported = lines.map((line) => JSON.parse(line) as Document).filter(({ level }) => level === 50)
  t.equal(reported.length, documents.length, 'each is logged once, and nothing else is')
  t.notMatch(lines.join(''), /"(yesterday|seven|nested|first)"|Not A Slug/)
})

t.test('what the validator admits can be read, whatever its numbers are stored as', async (t) => {
  const app = await build(t)
  const ids = [Long.fromNumber(7), new Double(7), 7].map((author_id) => ({
    ...good(1),
    _id: new ObjectId(),
    author_id
  }))
  await mongoDatabase(app).collection('posts').insertMany([
    ...ids,
    { ...good(2), _id: new ObjectId(), author_id: 7, title: '\u{1f600}'.repeat(200) }
  ])
  for (const { id } of (await app.inject('/posts')).json<Id[]>()) {
    t.match((await app.inject(`/posts/${id}`)).json(), { author_id: 7 })
  }
  t.equal((await app.inject('/posts')).json<Id[]>().length, 4)
})

t.test('a strange copy of a user costs its own row', async (t) => {
  const app = await build(t, { settings: { PROJECTIONS: false } })
  const users = mongoDatabase(app).collection<Document>('users')
  await users.insertMany([
    { _id: 1, _v: 1, name: 'Ada', email: 'a@example.com' },
    { _id: 1.5, _v: 1, name: 'Half', email: 'h@example.com' },
    { _id: 2, _v: 2, name: 'Nobody' },
    { _id: 3, _v: 3, name: 'Grace', email: 'g@example.com' },
    { _id: 1e300, _v: 4, name: 'Far', email: 'f@example.com' },
    { _id: 'text', _v: 4, name: 'Text', email: 't@example.com' }
  ] as Document[], { bypassDocumentValidation: true })
  for (const limit of [1, 2, 100]) {
    t.same(await walk(t, app, `/users/summary?limit=${limit}`), [1, 3], `limit ${limit}`)
  }
})

t.test('documents of before are named when the validator changes, and new ones are refused', async (t) => {
  const lines: string[] = []
  const { mongoUrl, mongoDatabase: name } = await databases(t)
  const client = await new MongoClient(mongoUrl).connect()
  t.teardown(() => client.close())
  const posts = client.db(name).collection('posts')
  const { insertedId } = await posts.insertOne({ ...good(1), author_id: 1e300 })
  await build(t, {
    settings: { PROJECTIONS: false, MONGODB_DATABASE: name },
    logger: { level: 'warn', stream: { write: (line) => void lines.push(line) } }
  })
  t.ok(await comesTrue(() => lines.some((line) => line.includes(insertedId.toHexString()))))
  await t.rejects(posts.insertOne({ ...good(2), author_id: 1e300 }), { code: 121 })
})
