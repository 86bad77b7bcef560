import { MongoClient, type Db } from 'mongodb'
import t, { type Test } from 'tap'
import { toTextRule, type Collection } from '../../plugins/mongo/collection.ts'
import { collections } from '../../plugins/mongo/collections/index.ts'
import { IndexesDifferError, prepareDatabase } from '../../plugins/mongo/prepare.ts'
import { DatabaseDownError, MongoState } from '../../plugins/mongo/state.ts'
import { mongoDatabase } from '../../plugins/mongo/index.ts'
import { thingRoutes } from '../fixture/things.ts'
import { build, databases, comesTrue } from '../helper.ts'
import { Proxy } from '../proxy.ts'

async function emptyDatabase (t: Test): Promise<Db> {
  const { mongoUrl, mongoDatabase } = await databases(t)
  const client = new MongoClient(mongoUrl, { readConcernLevel: 'majority', ignoreUndefined: true })
  t.teardown(() => client.close())
  return client.db(mongoDatabase)
}

const articles: Collection = {
  name: 'articles',
  validator: {
    $jsonSchema: { required: ['title'], properties: { title: toTextRule({ minLength: 1, maxLength: 200 }) } }
  },
  indexes: [{
    name: 'articles_slug_key',
    key: { slug: 1 },
    unique: true,
    partialFilterExpression: { slug: { $exists: true } }
  }]
}
const prepare = async (db: Db) => await prepareDatabase(db, [articles])

t.test('collections, validators and indexes', async (t) => {
  const db = await emptyDatabase(t)
  const found = db.collection('articles')

  await t.test('five instances prepare one database at once', async (t) => {
    await Promise.all(Array.from({ length: 5 }, () => prepare(db)))
    t.strictSame((await found.indexes()).map(({ name }) => name).sort(), ['_id_', 'articles_slug_key'])
    t.match(await db.listCollections({ name: 'articles' }).toArray(), [{ options: { validator: articles.validator } }])
  })
  await t.test('a validator that was changed is set again', async (t) => {
    t.strictSame(await prepare(db), [])
    await db.command({ collMod: 'articles', validator: {} })
    t.strictSame(await prepare(db), ['articles'])
    await t.rejects(found.insertOne({ title: 1 }), { code: 121 })
  })
  await t.test('those of the service are made, and what the least document lacks is told', async (t) => {
    await prepareDatabase(db)
    for (const { name, indexes: wanted, validator } of collections) {
      const names = (await db.collection(name).indexes()).map((index) => index.name)
      t.strictSame(names.sort(), ['_id_', ...wanted.map((index) => index.name)].sort(), name)
      if (validator !== undefined) await t.rejects(db.collection(name).insertOne({ a: 1 }), { code: 121 }, name)
    }
  })
  await t.test('a slug is unique where there is one', async (t) => {
    await found.insertMany([{ title: 'a' }, { title: 'b' }, { title: 'c', slug: 'on-naming' }])
    await t.rejects(found.insertOne({ title: 'd', slug: 'on-naming' }), { code: 11000 })
  })
  await t.test('indexes that differ are kept and named', async (t) => {
    await found.dropIndex('articles_slug_key')
    const [{ name: _name, problem: _problem, key, ...options } = { key: {} }] = articles.indexes
    await found.createIndex(key as Record<string, 1>, { ...options, name: 'by_hand' })
    await t.rejects(prepare(db), new IndexesDifferError('articles', 'one has the same keys under another name'))
    t.ok((await found.indexes()).some(({ name }) => name === 'by_hand'))
    await found.dropIndex('by_hand')
    await found.createIndex({ title: 1 }, { name: 'articles_slug_key' })
    await t.rejects(prepare(db), { code: 'MONGO_INDEXES_DIFFER', message: /same name but other keys/ })
    await found.dropIndex('articles_slug_key')
    await found.insertMany([{ title: 'e', slug: 'twice' }, { title: 'f', slug: 'twice' }])
    await t.rejects(prepare(db), { message: /^(?!.*twice).*documents are alike/ })
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
    settings: { MONGODB_URL: proxy.throughDirectly(mongoUrl) },
    plugins: thingRoutes,
    logger: {
      level: 'info',
      stream: {
        write: (line) => {
          log.push(line)
        }
      }
    }
  })
  t.throws(() => mongoDatabase(app).collection('notes'), DatabaseDownError, 'its collections refuse at once')
  const refused = await app.inject('/notes')
  t.equal(refused.statusCode, 503)
  t.equal(refused.headers['retry-after'], '1')
  t.match(refused.json(), { type: '/docs/problems#database-unavailable' })
  t.equal((await app.inject('/things')).statusCode, 200, 'SQL routes work')
  t.equal(
    (await app.inject({ method: 'POST', url: '/things', payload: { name: 'Ada' } }))
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
  t.equal((await app.inject('/notes')).statusCode, 200)
  t.equal(log.filter((line) => line.includes('trying again')).length, 1, 'one line tells of the failure')
  for (const { name, indexes } of collections) {
    const found = (await mongoDatabase(app).collection(name).indexes()).map((index) => index.name)
    for (const index of indexes) t.ok(found.includes(index.name), `and its index ${index.name} is made`)
  }
})
