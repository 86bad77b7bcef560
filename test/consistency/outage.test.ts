import { Type } from '@sinclair/typebox'
import t, { type Test } from 'tap'
import type { App, BuildOptions } from '../../app.ts'
import { mongoDatabase } from '../../plugins/mongo/index.ts'
import { projectToMongo, type Projected } from 'fastify-outbox'
import { build, databases } from '../helper.ts'
import { Proxy } from '../proxy.ts'
import { until } from '../until.ts'

interface Summary {
  id: number
  name: string
  post_count: number
}

let serial = 0
const newUser = () => ({ name: 'Ada', email: `ada.${++serial}@example.com` })
const post = async (app: App, url: string, payload: object, headers: Record<string, string> = {}) =>
  await app.inject({ method: 'POST', url, payload, headers })
const summaries = async (app: App) => (await app.inject('/users/summary?limit=100')).json<Summary[]>()
const waiting = async (app: App) => Number((await app.pg.query('SELECT count(*) FROM outbox')).rows[0].count)
const sqlPosts = async (app: App) => Number((await app.pg.query('SELECT count(*) FROM posts')).rows[0].count)

/** The app with a proxy in front of each database. */
async function buildBehind (t: Test, options: BuildOptions = {}): Promise<{ app: App; postgres: Proxy; mongo: Proxy }> {
  const { databaseUrl, mongoUrl, mongoDatabase } = await databases(t)
  const [postgres, mongo] = [await Proxy.start(databaseUrl), await Proxy.start(mongoUrl)]
  t.teardown(async () => {
    await Promise.all([postgres.close(), mongo.close()])
  })
  const direct = new URL(mongo.through(mongoUrl))
  direct.searchParams.delete('replicaSet')
  direct.searchParams.set('directConnection', 'true')
  const settings = {
    DATABASE_URL: postgres.through(databaseUrl),
    MONGODB_URL: direct.href,
    MONGODB_DATABASE: mongoDatabase
  }
  return { app: await build(t, { ...options, settings }), postgres, mongo }
}

t.test('MongoDB away: writes to users go on, nothing is parked, all follows when it is back', async (t) => {
  const { app, mongo } = await buildBehind(t)
  const author = (await post(app, '/users', newUser(), { prefer: 'wait=5' })).json<{ id: number }>().id
  mongo.refuse()
  await until('the service knows', async () => (await app.inject('/posts')).statusCode === 503)
  for (let n = 0; n < 20; n++) t.equal((await post(app, '/users', newUser())).statusCode, 201)
  t.equal(
    (await post(app, '/orders', { user_id: author, items: [{ product: 'Tea', quantity: 1, unit_price: '1.00' }] }))
      .statusCode,
    201
  )
  t.equal((await post(app, '/posts', { title: 't', content: 'c', category: 'x', author_id: author })).statusCode, 503)
  await until(
    'both directions back off',
    () => app.outbox.stats()[0]?.state === 'backing off' && app.changeStream.stats()[0]?.state === 'backing off'
  )
  t.match(await app.outbox.store.measure(), [{ topic: 'users', waiting: 20, parked: 0 }])
  mongo.accept()
  await until(
    'all users are in MongoDB',
    async () => (await app.inject('/users/summary')).statusCode === 200 && (await summaries(app)).length === 21,
    30_000
  )
  await until('no event is left', async () => await waiting(app) === 0)
  await post(app, '/posts', { title: 't', content: 'c', category: 'x', author_id: author })
  await until('posts follow again', async () => await sqlPosts(app) === 1)
  t.match(app.outbox.stats(), [{ failed: 0, state: 'working' }])
})

t.test('PostgreSQL away: posts can be written, and follow when it is back', async (t) => {
  const { app, postgres } = await buildBehind(t)
  await until('it follows', () => app.changeStream.stats()[0]?.state === 'following')
  const posts = mongoDatabase(app).collection('posts')
  postgres.refuse()
  await until(
    'both directions back off',
    () => app.outbox.stats()[0]?.state === 'backing off' && app.changeStream.stats()[0]?.state === 'backing off'
  )
  const times = { created_at: new Date(), updated_at: new Date() }
  await posts.insertMany(
    Array.from({ length: 10 }, () => ({ title: 't', content: 'c', category: 'x', author_id: 1, ...times }))
  )
  t.equal((await app.inject('/posts')).json<unknown[]>().length, 10)
  postgres.accept()
  await until('all posts are in SQL', async () => await sqlPosts(app).catch(() => 0) === 10, 30_000)
})

t.test('connections that break again and again lose and double nothing', async (t) => {
  const { app, postgres, mongo } = await buildBehind(t)
  const author = (await post(app, '/users', newUser(), { prefer: 'wait=5' })).json<{ id: number }>().id
  let isDone = false
  const breaking = (async () => {
    for (let n = 0; !isDone; n++) {
      await new Promise((resolve) => setTimeout(resolve, 70))
      if (n % 2 === 0) postgres.reset()
      else mongo.reset()
    }
  })()
  const made = { users: 0, posts: 0 }
  for (let n = 0; n < 60 || (n < 600 && Math.min(made.users, made.posts) <= 5); n++) {
    if ((await post(app, '/users', newUser())).statusCode === 201) made.users++
    if (
      (await post(app, '/posts', { title: `${n}`, content: 'c', category: 'x', author_id: author })).statusCode === 201
    ) made.posts++
  }
  isDone = true
  await breaking
  t.ok(made.users > 5 && made.posts > 5, `${made.users} users and ${made.posts} posts in spite of it`)
  const truth = async () => [
    Number((await app.pg.query('SELECT count(*) FROM users')).rows[0].count),
    await mongoDatabase(app).collection('posts').countDocuments()
  ]
  await until('both copies are complete', async () => {
    const [users, posts] = await truth().catch(() => [-1, -1])
    return (await summaries(app)).length === users && await sqlPosts(app) === posts
  }, 30_000)
  t.same(await app.projections.resync('users'), { missing: 0, different: 0, extra: 0 })
  t.same(await app.projections.resync('posts'), { missing: 0, different: 0, extra: 0 })
})

// What docs/two-databases.md shows: a member is a user in SQL and a profile in MongoDB. MongoDB could refuse a profile
// whose handle is taken, so the handle is reserved in SQL first.
interface Profile extends Projected<number> {
  handle?: string
  bio?: string
}
interface ProfileEvent {
  id: number
  handle: string
  bio: string
}

const MemberSchema = Type.Object({ id: Type.Integer(), handle: Type.String() })
const members: BuildOptions = {
  plugins: async (app) => {
    app.outbox.on(
      'profiles',
      projectToMongo<number, ProfileEvent>({
        collection: () => mongoDatabase(app).collection<Profile>('profiles'),
        id: ({ payload }) => payload.id,
        document: ({ payload: { handle, bio } }) => ({ handle, bio })
      })
    )
    app.post('/members', {
      config: { transaction: { crossStore: 'outbox' } },
      schema: {
        body: Type.Object({ email: Type.String(), name: Type.String(), handle: Type.String(), bio: Type.String() }),
        response: { 201: MemberSchema, 202: MemberSchema }
      }
    }, async function createMember (request, reply) {
      const { handle, bio, ...user } = request.body
      const { id } = await app.repositories.users(request.db).create(user)
      await request.transaction.query('INSERT INTO handles (handle, user_id) VALUES ($1, $2)', [handle, id])
      request.announceEvent(
        await app.outbox.enqueue(request.transaction, {
          topic: 'profiles',
          key: String(id),
          payload: { id, handle, bio }
        })
      )
      reply.code(201).header('location', `/members/${id}`)
      return { id, handle }
    })
  }
}

t.test('truth in both at once: agree by outbox', async (t) => {
  const { app, mongo } = await buildBehind(t, members)
  await app.pg.query('CREATE TABLE handles (handle text PRIMARY KEY, user_id integer NOT NULL)')
  const profiles = mongoDatabase(app).collection<Profile>('profiles')
  await profiles.createIndex({ handle: 1 }, { unique: true })
  const member = (handle: string) => ({ ...newUser(), handle, bio: 'hi' })

  const waited = await post(app, '/members', member('ada'), { prefer: 'wait=5' })
  t.match(waited, { statusCode: 201, headers: { location: /^\/members\/\d+$/, 'preference-applied': 'wait=5' } })
  t.match(await profiles.findOne({ _id: waited.json<{ id: number }>().id }), { handle: 'ada', bio: 'hi' })

  const later = await post(app, '/members', member('bob'))
  t.match(later, {
    statusCode: 202,
    headers: { location: /^\/members\/\d+$/, 'consistency-token': /^sql-profiles-/, 'preference-applied': undefined }
  })
  await until('the profile follows', async () => await profiles.findOne({ handle: 'bob' }) !== null)

  const before = Number((await app.pg.query('SELECT count(*) FROM users')).rows[0].count)
  t.equal((await post(app, '/members', member('ada'))).statusCode, 409, 'what MongoDB would refuse is refused before')
  t.equal(
    Number((await app.pg.query('SELECT count(*) FROM users')).rows[0].count),
    before,
    'and nothing of it is stored'
  )

  mongo.refuse()
  t.equal(
    (await post(app, '/members', member('cid'), { prefer: 'wait=1' })).statusCode,
    202,
    'not claimed before it is there'
  )
  mongo.accept()
  await until(
    'the profile follows',
    async () => await profiles.findOne({ handle: 'cid' }).catch(() => null) !== null,
    30_000
  )
  t.equal(await profiles.countDocuments(), 3)
  t.match(app.outbox.stats().find(({ topic }) => topic === 'profiles'), { parked: 0, failed: 0 })
})

t.test('a handler that enqueues outside a transaction gets an error at once', async (t) => {
  const app = await build(t, {
    plugins: async (app) => {
      const enqueue = (tx: unknown) =>
        app.outbox.enqueue(tx as Parameters<typeof app.outbox.enqueue>[0], { topic: 'users', key: '1', payload: {} })
      app.post('/late', async (request) => {
        await request.transaction.query('SELECT 1')
        await request.transaction.commit()
        await enqueue(request.transaction)
        return {}
      })
      app.post('/none', { config: { transaction: false } }, async (request) => {
        await enqueue(request.transaction)
        return {}
      })
      app.post('/pool', async () => {
        await enqueue(app.pg.pool)
        return {}
      })
      app.post('/mongo', { config: { transaction: { store: 'mongo' } } }, async (request) => {
        await enqueue(request.transaction)
        return {}
      })
    }
  })
  for (const url of ['/late', '/none', '/pool', '/mongo']) t.equal((await post(app, url, {})).statusCode, 500, url)
  t.equal(await waiting(app), 0)
})
