import { Decimal128, Long, MongoClient, ObjectId, type Db } from 'mongodb'
import t, { type Test } from 'tap'
import { collections } from '../../plugins/mongo/collections/index.ts'
import postsCollection from '../../plugins/mongo/collections/posts.ts'
import { IndexesDifferError, prepareDatabase } from '../../plugins/mongo/prepare.ts'
import { DatabaseDownError, MongoState } from '../../plugins/mongo/state.ts'
import { mongoDatabase } from '../../plugins/mongo/index.ts'
import { build, databases, comesTrue } from '../helper.ts'
import { Proxy } from '../proxy.ts'

async function emptyDatabase (t: Test): Promise<Db> {
  const { mongoUrl, mongoDatabase } = await databases(t)
  const client = new MongoClient(mongoUrl, { readConcernLevel: 'majority', ignoreUndefined: true })
  t.teardown(() => client.close())
  return client.db(mongoDatabase)
}

const post = () => ({
  title: 'On naming',
  content: 'x',
  category: 'craft',
  author_id: 1,
  created_at: new Date(),
  updated_at: new Date()
})

t.test('collections, validators and indexes', async (t) => {
  const db = await emptyDatabase(t)

  await t.test('five instances prepare one database at once', async (t) => {
    await Promise.all(Array.from({ length: 5 }, () => prepareDatabase(db)))
    for (const { name, indexes: wanted } of collections) {
      const found = (await db.collection(name).indexes()).map((index) => index.name)
      t.strictSame(found.sort(), ['_id_', ...wanted.map((index) => index.name)].sort(), name)
    }
    const [posts] = await db.listCollections({ name: 'posts' }).toArray()
    t.match(posts, { options: { validator: postsCollection.validator } })
  })
  await t.test('a validator that was changed is set again', async (t) => {
    await db.command({ collMod: 'posts', validator: {} })
    await prepareDatabase(db)
    await t.rejects(db.collection('posts').insertOne({ title: 1 }), { code: 121 })
  })
  await t.test('the validator takes what the API stores and nothing else', async (t) => {
    const posts = db.collection('posts')
    await posts.insertOne({ ...post(), slug: 'on-naming' })
    await posts.insertOne({ ...post(), author_id: 2 ** 53 - 1 })
    await posts.insertOne({ ...post(), author_id: Long.fromNumber(7) })
    await posts.insertOne({ ...post(), created_at: new Date('0001-01-01T00:00:00.000Z') })
    await posts.insertOne({ ...post(), title: '😀'.repeat(200) })
    const wrong: Array<Record<string, unknown>> = [
      { title: '' },
      { title: 'x'.repeat(201) },
      { title: null },
      { content: 'x'.repeat(100_001) },
      { category: 'x'.repeat(51) },
      { author_id: '1' },
      { author_id: 1.5 },
      { author_id: 0 },
      { author_id: 2 ** 53 },
      { author_id: 1e300 },
      { author_id: Number.NaN },
      { author_id: Long.MAX_VALUE },
      { author_id: Decimal128.fromString('1') },
      { version: 1e300 },
      { title: 'two\nlines' },
      { title: ' \u00a0\u200b' },
      { category: 'tab\there' },
      { content: 'a\u0000b' },
      { slug: 'on-naming\n' },
      { slug: 'On Naming' },
      { created_at: new Date('+010000-01-01T00:00:00.000Z') },
      { updated_at: new Date('0000-12-31T00:00:00.000Z') },
      { created_at: '2025-01-01' },
      { slug: null },
      { more: 1 },
      { _id: 'text' }
    ]
    for (const fields of wrong) {
      await t.rejects(
        posts.insertOne({ _id: new ObjectId(), ...post(), ...fields } as never),
        { code: 121 },
        JSON.stringify(fields).slice(0, 40)
      )
    }
    const users = db.collection<{ _id: number; _v: number; name?: string; email?: string; _deleted?: boolean }>('users')
    await users.insertOne({ _id: 1, name: 'Ada', email: 'ada@example.com', _v: 1 })
    await t.rejects(users.insertOne({ _id: 4, name: 'Ada', _v: 1 }), { code: 121 }, 'what a summary shows is there')
    await t.rejects(
      users.insertOne({ _id: 2 ** 53, name: 'Ada', email: 'ada@example.com', _v: 1 }),
      { code: 121 },
      'no id of a row'
    )
    await users.insertOne({ _id: 2, _v: 2, _deleted: true })
    await t.rejects(users.insertOne({ _id: 3, name: 'Ada' } as never), { code: 121 }, 'a copy without a version')
  })
  await t.test('a slug is unique where there is one', async (t) => {
    const posts = db.collection('posts')
    await posts.insertOne(post())
    await t.rejects(posts.insertOne({ ...post(), slug: 'on-naming' }), { code: 11000 })
  })
  await t.test('indexes that differ are kept and named', async (t) => {
    const posts = db.collection('posts')
    await posts.dropIndex('posts_slug_key')
    await posts.createIndex({ slug: 1 }, {
      name: 'by_hand',
      unique: true,
      partialFilterExpression: { slug: { $exists: true } }
    })
    await t.rejects(prepareDatabase(db), new IndexesDifferError('posts', 'one has the same keys under another name'))
    t.ok((await posts.indexes()).some(({ name }) => name === 'by_hand'))
    await posts.dropIndex('by_hand')
    await posts.createIndex({ title: 1 }, { name: 'posts_slug_key' })
    await t.rejects(prepareDatabase(db), { code: 'MONGO_INDEXES_DIFFER', message: /same name but other keys/ })
    await posts.dropIndex('posts_slug_key')
    await posts.insertMany([{ ...post(), slug: 'twice' }, { ...post(), slug: 'twice' }])
    await t.rejects(prepareDatabase(db), { message: /^(?!.*twice).*documents are alike/ })
  })
})

t.test('the state follows the monitors', async (t) => {
  const seen: string[] = []
  const state = new MongoState((now) => {
    seen.push(now)
  })
  t.teardown(() => {
    state.stop()
  })
  const client = new MongoClient('mongodb://127.0.0.1:1')
  state.watch(client)
  const report = (...types: string[]) => {
    client.emit(
      'topologyDescriptionChanged',
      { newDescription: { servers: new Map(types.map((type, at) => [String(at), { type }])) } } as never
    )
  }
  t.throws(() => {
    state.assertUp()
  }, DatabaseDownError)
  report('RSPrimary')
  t.equal(state.state, 'down', 'not before collections and indexes are there')
  state.prepared()
  t.equal(state.state, 'up')
  report('Unknown', 'RSSecondary')
  t.equal(state.state, 'degraded', 'a lost primary may come back')
  t.doesNotThrow(() => {
    state.assertUp()
  })
  report('RSSecondary', 'RSPrimary')
  t.equal(state.state, 'up')
  report('Unknown')
  report('Unknown')
  await comesTrue(() => state.state === 'down')
  t.throws(() => {
    state.assertUp()
  }, { code: 'DATABASE_DOWN', statusCode: 503 })
  report('RSPrimary')
  t.strictSame(seen, ['up', 'degraded', 'up', 'degraded', 'down', 'up'])
})

t.test('F2 without MongoDB the service starts, and heals when it comes', async (t) => {
  const { mongoUrl } = await databases(t)
  const proxy = await Proxy.start(mongoUrl)
  t.teardown(() => proxy.close())
  proxy.refuse()
  const log: string[] = []
  const app = await build(t, {
    settings: {
      MONGODB_URL: proxy.throughDirectly(mongoUrl)
    },
    logger: {
      level: 'info',
      stream: {
        write: (line) => {
          log.push(line)
        }
      }
    }
  })
  t.throws(() => mongoDatabase(app).collection('posts'), DatabaseDownError, 'its collections refuse at once')
  const refused = await app.inject('/posts/summaries')
  t.equal(refused.statusCode, 503)
  t.equal(refused.headers['retry-after'], '1')
  t.match(refused.json(), { type: '/docs/problems#database-unavailable' })
  t.equal((await app.inject('/users')).statusCode, 200, 'SQL routes work')
  t.equal(
    (await app.inject({ method: 'POST', url: '/users', payload: { email: 'ada@example.com', name: 'Ada' } }))
      .statusCode,
    201,
    'and their writes'
  )
  t.ok(
    await comesTrue(async () => /"sql":"up","mongodb":"down"/.test((await app.inject('/readyz')).body)),
    'readiness says which is missing'
  )

  proxy.accept()
  for (let tries = 0; tries < 3 && !await comesTrue(() => app.mongoState.state === 'up'); tries++);
  t.equal((await app.inject('/posts/summaries')).statusCode, 200)
  t.equal(log.filter((line) => line.includes('trying again')).length, 1, 'one line tells of the failure')
  const found = await mongoDatabase(app).collection('posts').indexes()
  t.ok(found.some(({ name }) => name === 'posts_slug_key'), 'and its indexes are made')
})
