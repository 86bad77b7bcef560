import { ObjectId } from 'mongodb'
import t, { type Test } from 'tap'
import { buildApp, type App, type BuildOptions } from '../../app.ts'
import { mongoDatabase } from '../../plugins/mongo/index.ts'
import { newFolder } from '../folder.ts'
import { build } from '../helper.ts'
import { until } from '../until.ts'
import { send, type Headers } from './send.ts'

interface User {
  id: number
  email: string
  name: string
  posts?: Array<{ id: string; title: string; author_id: number }>
}
interface Post {
  id: string
  title: string
  author_id: number
}
interface Summary {
  id: number
  name: string
  email: string
  post_count: number
}

let serial = 0
const newUser = (name = 'Ada') => ({ name, email: `${name.toLowerCase()}.${++serial}@example.com` })
const newPost = (author_id: number, title = 'Hello') => ({ title, content: 'Zwölf 🦊', category: 'news', author_id })

const createUser = async (app: App, name?: string, headers?: Headers) =>
  (await send<User>(app, 'POST', '/users', newUser(name), headers)).body
const createPost = async (app: App, author: number, title?: string, headers?: Headers) =>
  (await send<Post>(app, 'POST', '/posts', newPost(author, title), headers)).body
const summaries = async (app: App, headers?: Headers) =>
  (await send<Summary[]>(app, 'GET', '/users/summary', undefined, headers)).body
const users = async (app: App, headers?: Headers) => (await send<User[]>(app, 'GET', '/users', undefined, headers)).body
const sqlPosts = async (app: App) =>
  (await app.pg.query<{ id: string; author_id: number; title: string; content_length: number }>(
    'SELECT * FROM posts ORDER BY id'
  )).rows

/** Ids and versions go on behind `last`: a copy beyond them would say that PostgreSQL went back, and be repaired unasked. */
async function skipSequences (app: App, last: number) {
  await app.pg.query("SELECT setval(pg_get_serial_sequence('users', 'id'), $1), setval('outbox_id_seq', $1)", [last])
}

/** A read that waits for what a token stands for, and longer than it would by itself: a busy machine is slow. */
const reading = (token: string | undefined): Headers => ({ 'consistency-token': String(token), prefer: 'wait=10' })

/** An app beside another one, on the same databases. */
/** A post as another writer of the collection would store it. */
const document = (author_id: number) => ({
  _id: new ObjectId(),
  title: 't',
  content: 'c',
  category: 'x',
  author_id,
  created_at: new Date(),
  updated_at: new Date()
})

async function buildBeside (t: Test, { config }: App, more: BuildOptions['settings'] = {}): Promise<App> {
  const { DATABASE_URL, MONGODB_URL, MONGODB_DATABASE } = config
  const settings = { NODE_ENV: 'test' as const, DATABASE_URL, MONGODB_URL, MONGODB_DATABASE, ...more } as NonNullable<
    BuildOptions['settings']
  >
  const app = await buildApp({ logger: false, settings })
  t.teardown(() => app.close())
  return app
}

t.test('users and posts reach the other store, changes and deletions too', async (t) => {
  const app = await build(t)
  const ada = await createUser(app)
  const post = await createPost(app, ada.id, 'First')
  await until('the summary counts it', async () => (await summaries(app))[0]?.post_count === 1)
  t.match(await summaries(app), [{ id: ada.id, name: 'Ada', email: ada.email, post_count: 1 }])
  await until('the list shows it', async () => (await users(app))[0]?.posts?.length === 1)
  t.match(await users(app), [{ id: ada.id, posts: [{ id: post.id, title: 'First', author_id: ada.id }] }])
  t.match((await send(app, 'GET', '/user-analytics')).body, [{ name: 'Ada', post_count: 1, avg_content_length: 7 }])

  await send(app, 'PATCH', `/users/${ada.id}`, { name: 'Ada L.' })
  await send(app, 'PUT', `/posts/${post.id}`, { title: 'Second' })
  await until(
    'both changes are there',
    async () => (await summaries(app))[0]?.name === 'Ada L.' && (await users(app))[0]?.posts?.[0]?.title === 'Second'
  )
  const bob = await createUser(app, 'Bob')
  await send(app, 'PATCH', `/posts/${post.id}`, { author_id: bob.id })
  await until(
    'the author changes',
    async () => (await users(app)).some(({ id, posts }) => id === bob.id && posts?.length === 1)
  )
  await until(
    'the counts change',
    async () => JSON.stringify((await summaries(app)).map(({ post_count }) => post_count)) === '[0,1]'
  )
  t.equal((await send(app, 'DELETE', `/posts/${post.id}`)).status, 204)
  await until('the post is gone', async () => (await sqlPosts(app)).length === 0)
})

t.test('deleting a user: refused while orders exist, otherwise the posts go too, in both stores', async (t) => {
  const app = await build(t)
  const [ada, bob] = [await createUser(app), await createUser(app, 'Bob')]
  for (let n = 0; n < 3; n++) await createPost(app, ada.id)
  const kept = await createPost(app, bob.id)
  await until('all posts are in SQL', async () => (await sqlPosts(app)).length === 4)
  await send(app, 'POST', '/orders', { user_id: bob.id, items: [{ product: 'Tea', quantity: 1, unit_price: '1.00' }] })
  t.equal((await send(app, 'DELETE', `/users/${bob.id}`)).status, 409)
  t.equal((await send(app, 'DELETE', `/users/${ada.id}`)).status, 204)
  await until(
    'the posts are gone from MongoDB',
    async () => (await send<Post[]>(app, 'GET', '/posts')).body.length === 1
  )
  await until('and from SQL', async () => (await sqlPosts(app)).length === 1)
  t.match(await sqlPosts(app), [{ id: kept.id }])
  t.match(await summaries(app), [{ id: bob.id, post_count: 1 }])
})

t.test('a post that slips in behind the deletion of its author is removed; one whose author is not known stays', async (t) => {
  const app = await build(t)
  const posts = mongoDatabase(app).collection('posts')
  const ada = await createUser(app)
  await send(app, 'DELETE', `/users/${ada.id}`, undefined, { prefer: 'wait=5' })
  const [late, early] = [document(ada.id), document(ada.id + 1)]
  await posts.insertMany([late, early])
  await until('the orphan is gone', async () => await posts.countDocuments() === 1)
  await until('the other is in SQL', async () => (await sqlPosts(app)).length === 1)
  t.equal((await sqlPosts(app))[0]?.id, String(early._id))
  const bob = await createUser(app, 'Bob')
  t.equal(bob.id, ada.id + 1)
  t.match(await users(app), [{ id: bob.id, posts: [{ id: String(early._id) }] }])
})

t.test('a post that slipped in while nobody followed is removed by the copy', async (t) => {
  const app = await build(t)
  const [ada, bob] = [await createUser(app), await createUser(app, 'Bob')]
  await send(app, 'DELETE', `/users/${ada.id}`, undefined, { prefer: 'wait=5' })
  const other = await buildBeside(t, app, { PROJECTIONS: false })
  await app.close()
  const posts = mongoDatabase(other).collection('posts')
  await posts.insertMany([document(ada.id), document(bob.id)])
  await other.projections.resync('posts')
  t.match(await posts.find().toArray(), [{ author_id: bob.id }])
})

t.test('documents of other writers, however odd, do not hold up the stream', async (t) => {
  const app = await build(t)
  const posts = mongoDatabase(app).collection('posts')
  const odd = [
    {},
    { title: 'a\0b', category: 7, author_id: '1', content: 12, created_at: 'yesterday' },
    { title: null, author_id: 2 ** 40, created_at: new Date(8.64e15), content: '' },
    { title: '\ud800', author_id: -1, created_at: new Date(-8.64e15) },
    { title: 'x'.repeat(100_000), author_id: 1.5, content: 'y', created_at: new Date() }
  ].map((fields) => ({ _id: new ObjectId(), ...fields }))
  await posts.insertMany(odd, { bypassDocumentValidation: true })
  await until('all are in SQL', async () => (await sqlPosts(app)).length === odd.length)
  await posts.updateOne({ _id: odd[0]?._id ?? new ObjectId() }, { $set: { title: 'set' } }, {
    bypassDocumentValidation: true
  })
  await posts.deleteOne({ _id: odd[1]?._id ?? new ObjectId() })
  await until(
    'and follow further changes',
    async () => (await sqlPosts(app)).length === odd.length - 1 && (await sqlPosts(app))[0]?.title === 'set'
  )
  t.same(
    await app.projections.resync('posts'),
    { missing: 0, different: 0, extra: 0 },
    'the copy agrees with the stream'
  )
  t.match(app.changeStream.stats(), [{ state: 'following' }])
})

t.test('resync: copies that were edited by hand are repaired, and the differences told', async (t) => {
  const app = await build(t)
  for (const name of ['Ada', 'Bob', 'Cid', 'Dan', 'Eve']) await createUser(app, name, { prefer: 'wait=5' })
  const documents = mongoDatabase(app).collection<
    { _id: number; name?: string; email?: string; _v: number; _deleted?: boolean }
  >(
    'users'
  )
  const before = await summaries(app)
  const ids = before.map(({ id }) => id) as [number, number, number, number, number]
  await skipSequences(app, 2e9)
  t.same(await app.projections.resync('users'), { missing: 0, different: 0, extra: 0 })
  await documents.updateOne({ _id: ids[0] }, { $set: { name: 'Forged' } })
  await documents.updateOne({ _id: ids[1] }, { $set: { name: 'From the future', _v: 1e9 } })
  await documents.updateOne({ _id: ids[2] }, { $set: { _deleted: true } })
  await documents.deleteOne({ _id: ids[3] })
  await documents.insertOne({ _id: 4711, name: 'Nobody', email: 'nobody@example.com', _v: 1 })
  t.same(await app.projections.resync('users'), { missing: 1, different: 3, extra: 1 })
  t.same(await summaries(app), before)
  t.same(await app.projections.resync('users'), { missing: 0, different: 0, extra: 0 })
  await send(app, 'PATCH', `/users/${ids[1]}`, { name: 'Still follows' }, { prefer: 'wait=5' })
  t.equal((await summaries(app))[1]?.name, 'Still follows')

  const posts: Post[] = []
  for (let n = 0; n < 4; n++) posts.push(await createPost(app, ids[0], `Post ${n}`, { prefer: 'wait=5' }))
  const stored = await sqlPosts(app)
  await app.pg.query('UPDATE posts SET title = $1 WHERE id = $2', ['Forged', posts[0]?.id])
  await app.pg.query('DELETE FROM posts WHERE id = $1', [posts[1]?.id])
  await app.pg.query(
    "INSERT INTO posts (id, author_id, title, category, content_length, created_at) SELECT 'zzz', author_id, title, category, content_length, created_at FROM posts WHERE id = $1",
    [posts[2]?.id]
  )
  await app.pg.query(
    "INSERT INTO posts (id, author_id, title, category, content_length, created_at) SELECT '000', author_id, title, category, content_length, created_at FROM posts WHERE id = $1",
    [posts[2]?.id]
  )
  t.same(await app.projections.resync('posts'), { missing: 1, different: 1, extra: 2 })
  t.same(await sqlPosts(app), stored)
})

t.test('resync of many: in batches, between two posts and behind the last one too', async (t) => {
  const app = await build(t)
  const [ada] = [await createUser(app, 'Ada', { prefer: 'wait=5' })]
  await createPost(app, ada.id, 'First', { prefer: 'wait=5' })
  await app.pg.query(
    "INSERT INTO users (email, name) SELECT 'many.' || n || '@example.com', 'Many' FROM generate_series(1, 2500) AS n"
  )
  await until('all are in MongoDB', async () => await mongoDatabase(app).collection('users').countDocuments() === 2501)
  await skipSequences(app, 20_000)
  const documents = mongoDatabase(app).collection<{ _id: number; _v: number }>('users')
  await documents.deleteMany({ _id: { $mod: [3, 0] } })
  await documents.updateMany({ _id: { $mod: [3, 1] } }, { $set: { name: 'Forged' } })
  await documents.insertMany(
    Array.from({ length: 2100 }, (_, n) => ({ _id: 10_000 + n, name: 'Nobody', email: 'nobody@example.com', _v: 1 }))
  )
  const thirds = (rest: number) => Array.from({ length: 2501 }, (_, n) => n + 1).filter((id) => id % 3 === rest).length
  t.same(await app.projections.resync('users'), { missing: thirds(0), different: thirds(1), extra: 2100 })
  t.same(await app.projections.resync('users'), { missing: 0, different: 0, extra: 0 })
  await app.pg.query(
    `INSERT INTO posts (id, author_id, title, category, content_length, created_at) SELECT x || lpad(n::text, 12, '0'), 1, 't', 'c', 1, now() FROM generate_series(1, 1300) AS n, unnest(array['000000000000', 'ffffffffffff']) AS x`
  )
  t.same(await app.projections.resync('posts'), { missing: 0, different: 0, extra: 2600 })
  t.equal((await sqlPosts(app)).length, 1)
})

t.test('resync beside writers: nobody is called different who is merely on the way', async (t) => {
  const app = await build(t)
  let isDone = false
  const writing = (async () => {
    for (let n = 0; n < 60; n++) {
      const user = await createUser(app)
      if (n % 3 === 0) await send(app, 'PATCH', `/users/${user.id}`, { name: `Name ${n}` })
      if (n % 5 === 0) await send(app, 'DELETE', `/users/${user.id}`)
      else await createPost(app, user.id)
    }
    isDone = true
  })()
  while (!isDone) {
    t.same(await app.projections.resync('users'), { missing: 0, different: 0, extra: 0 })
    await app.projections.resync('posts')
  }
  await writing
  await until('nothing is on the way', async () => (await app.pg.query('SELECT FROM outbox')).rowCount === 0)
  await until(
    'SQL has all posts',
    async () => (await sqlPosts(app)).length === await mongoDatabase(app).collection('posts').countDocuments()
  )
  t.same(await app.projections.resync('users'), { missing: 0, different: 0, extra: 0 })
  t.same(await app.projections.resync('posts'), { missing: 0, different: 0, extra: 0 })
})

t.test('SQLite: the same promises for one process', async (t) => {
  const url = `file:${newFolder(t)}/tandem.db`
  const { migrate } = await import('../../drizzle/migrate.ts')
  await migrate(url)
  const app = await build(t, { settings: { DATABASE_URL: url } })
  const ada = await createUser(app, 'Ada', { prefer: 'wait=5' })
  t.match(await summaries(app), [{ id: ada.id, name: 'Ada', post_count: 0 }])
  const post = await send<Post>(app, 'POST', '/posts', newPost(ada.id))
  const list = await users(app, reading(post.headers['consistency-token']))
  t.match(list, [{ id: ada.id, posts: [{ id: post.body.id, title: 'Hello' }] }])
  t.match((await send(app, 'GET', '/user-analytics')).body, [{ name: 'Ada', post_count: 1, avg_content_length: 7 }])
  const documents = mongoDatabase(app).collection<{ _id: number }>('users')
  await documents.updateOne({ _id: ada.id }, { $set: { name: 'Forged' } })
  await app.sqlite?.query("UPDATE posts SET title = 'Forged'")
  t.same(await app.projections.resync('users'), { missing: 0, different: 1, extra: 0 })
  t.same(await app.projections.resync('posts'), { missing: 0, different: 1, extra: 0 })
  const deleted = await send(app, 'DELETE', `/users/${ada.id}`)
  t.same(await summaries(app, reading(deleted.headers['consistency-token'])), [])
  await until('the posts go too', async () => (await app.sqlite?.query('SELECT id FROM posts'))?.rows.length === 0)
})
