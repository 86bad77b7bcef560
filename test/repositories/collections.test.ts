// What the collections of the example accept: what the API stores and nothing else.
import { Decimal128, Long, MongoClient, ObjectId } from 'mongodb'
import t from 'tap'
import { prepareDatabase } from '../../plugins/mongo/prepare.ts'
import { databases } from '../helper.ts'

const post = () => ({
  title: 'On naming',
  content: 'x',
  category: 'craft',
  author_id: 1,
  created_at: new Date(),
  updated_at: new Date()
})

t.test('the validators take what the API stores and nothing else', async (t) => {
  const { mongoUrl, mongoDatabase } = await databases(t)
  const client = new MongoClient(mongoUrl, { readConcernLevel: 'majority', ignoreUndefined: true })
  t.teardown(() => client.close())
  const db = client.db(mongoDatabase)
  await prepareDatabase(db)
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
