import t from 'tap'
import type { App } from '../../app.ts'
import { build, comesTrue } from '../helper.ts'

interface Created {
  id: number
  post: { id: string; author_id: number }
}

const toBody = (name: string, slug = name) => ({
  email: `${name}@example.com`,
  name,
  post: { title: 'First', content: 'Hello', category: 'news', slug }
})
const send = async (app: App, payload: object, headers: Record<string, string> = {}) =>
  await app.inject({ method: 'POST', url: '/users/with-post', payload, headers })

async function count (app: App): Promise<[number, number]> {
  const users = await app.pg.pool.query<{ n: number }>('select count(*)::int as n from users')
  return [users.rows[0]?.n ?? -1, await app.mongo.db?.collection('posts').countDocuments() ?? -1]
}

void t.test('a user and a post come together, or neither', async (t) => {
  const app = await build(t)
  const created = await send(app, toBody('ada'), { prefer: 'wait=5' })
  t.equal(created.statusCode, 201, created.body)
  const { id, post } = created.json<Created>()
  t.equal(created.headers.location, `/users/${id}`)
  t.equal(post.author_id, id)
  t.ok(created.headers.etag)
  t.match(created.headers['consistency-token'], /sql-users-.*,mongo-posts-/, 'both writes have a token')
  t.equal(created.headers['preference-applied'], 'wait=5', 'and both copies follow')
  t.equal((await app.inject(`/users/${id}`)).headers.etag, created.headers.etag)
  t.equal((await app.inject(`/posts/${post.id}`)).statusCode, 200)

  for (
    const [what, body, pointer] of [
      ['the e-mail is taken', toBody('ada', 'other'), '/email'],
      ['the slug is taken', toBody('bob', 'ada'), '/slug']
    ] as const
  ) {
    const refused = await send(app, body)
    t.equal(refused.statusCode, 409, what)
    t.equal(refused.json<{ errors: Array<{ pointer: string }> }>().errors[0]?.pointer, pointer)
    t.same(await count(app), [1, 1])
  }
  t.equal((await send(app, { ...toBody('bob'), post: { title: '' } })).statusCode, 400)
  t.ok(await comesTrue(async () => await app.mongo.db?.collection('two_phase_decisions').countDocuments() === 0))
})

void t.test('a repeat with its Idempotency-Key is answered from the first, which is part of the same outcome', async (t) => {
  const app = await build(t)
  const key = { 'idempotency-key': '"8e03978e-40d5-43dd-bc93-6894a57f9324"' }
  const first = await send(app, toBody('ada'), key)
  const second = await send(app, toBody('ada'), key)
  t.equal(first.statusCode, 201)
  t.equal(second.headers['idempotency-replayed'], 'true')
  t.equal(second.body, first.body)
  t.same(await count(app), [1, 1])
  t.equal((await send(app, toBody('bob', 'ada'), { 'idempotency-key': '"2"' })).statusCode, 409)
  t.equal((await send(app, toBody('bob'), { 'idempotency-key': '"2"' })).statusCode, 201, 'a refused one leaves no key')
})

void t.test('BEGIN by itself commits in the same way', async (t) => {
  const app = await build(t, { settings: { DATABASE_PIPELINE: false } })
  t.equal((await send(app, toBody('ada'))).statusCode, 201)
  t.equal((await send(app, toBody('ada', 'other'))).statusCode, 409)
  t.same(await count(app), [1, 1])
})

void t.test('on SQLite the route is left out, and the log says why', async (t) => {
  const lines: string[] = []
  const app = await build(t, {
    settings: { DATABASE_URL: ':memory:' },
    logger: { stream: { write: (line) => lines.push(line) } }
  })
  t.equal((await send(app, toBody('ada'))).statusCode, 405)
  t.ok(lines.some((line) => line.includes('POST /users/with-post is left out')))
})
