import t from 'tap'
import { buildApp } from '../../app.ts'
import { memoryDatabase } from '../../plugins/sql/sqlite/open.ts'
import { mongoDouble } from './mongo-double.ts'

const settings = { NODE_ENV: 'test' } as const

t.test('SQL in memory: real statements, constraints and transactions, no server', async (t) => {
  const app = await buildApp({ settings, logger: false, overrides: { db: await memoryDatabase() } })
  t.teardown(() => app.close())

  const created = await app.inject({
    method: 'POST',
    url: '/users/',
    payload: { email: 'ada@example.com', name: 'Ada' }
  })
  t.equal(created.statusCode, 201)
  t.match((await app.inject('/users/1')).json(), { email: 'ada@example.com' })
  const again = await app.inject({ method: 'POST', url: '/users/', payload: { email: 'ada@example.com', name: 'Eve' } })
  t.equal(again.statusCode, 409)
})

t.test('a repository replaced: the route alone, its calls recorded', async (t) => {
  const ada = {
    id: 7,
    email: 'ada@example.com',
    name: 'Ada',
    version: 1,
    created_at: new Date(0),
    updated_at: new Date(0)
  }
  const getById = t.captureFn(async (id: number) => id === 7 ? ada : null)
  const app = await buildApp({ settings, logger: false, overrides: { repositories: { users: () => ({ getById }) } } })
  t.teardown(() => app.close())

  t.match((await app.inject('/users/7')).json(), { name: 'Ada' })
  t.equal((await app.inject('/users/8')).statusCode, 404)
  t.same(getById.args(), [[7], [8]])
})

t.test('MongoDB replaced: what a repository sends, without sending it', async (t) => {
  const insertOne = t.captureFn(async (document: object) => ({ acknowledged: true, document }))
  const mongo = mongoDouble({ posts: { insertOne } })
  const users = () => ({
    getById: async () => ({
      id: 7,
      email: 'ada@example.com',
      name: 'Ada',
      version: 1,
      created_at: new Date(0),
      updated_at: new Date(0)
    })
  })
  const app = await buildApp({ settings, logger: false, overrides: { mongo, repositories: { users } } })
  t.teardown(() => app.close())

  const post = { title: 'Notes', content: 'On the engine', category: 'science', author_id: 7 }
  const created = await app.inject({ method: 'POST', url: '/posts/', payload: post })
  t.equal(created.statusCode, 201)
  t.match(insertOne.args(), [[post]])
  t.equal(created.headers.location, `/posts/${created.json<{ id: string }>().id}`)
})

t.test('an error of the database: what the client is told', async (t) => {
  const create = async () => {
    throw Object.assign(new Error('duplicate key'), { name: 'MongoServerError', code: 11000, keyPattern: { slug: 1 } })
  }
  const users = () => ({
    getById: async () => ({
      id: 7,
      email: 'ada@example.com',
      name: 'Ada',
      version: 1,
      created_at: new Date(0),
      updated_at: new Date(0)
    })
  })
  const app = await buildApp({
    settings,
    logger: false,
    overrides: { repositories: { users, posts: () => ({ create }) } }
  })
  t.teardown(() => app.close())

  const post = { title: 'Notes', content: 'On the engine', category: 'science', author_id: 7, slug: 'notes' }
  const refused = await app.inject({ method: 'POST', url: '/posts/', payload: post })
  t.match(refused.json(), { status: 409, type: /duplicate/ })
})

t.test('what stands in for a database is not watched: no relay, no stream, no readiness of its own', async (t) => {
  const app = await buildApp({
    settings,
    logger: false,
    overrides: { db: await memoryDatabase(), mongo: mongoDouble({}) }
  })
  t.teardown(() => app.close())
  t.same((await app.inject('/readyz')).json(), { status: 'ready', checks: {} })
  t.notOk(app.hasDecorator('projections'))
})
