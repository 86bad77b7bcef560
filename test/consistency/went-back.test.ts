import { copyFileSync } from 'node:fs'
import pg from 'pg'
import t, { type Test } from 'tap'
import { mongoDatabase } from '../../plugins/mongo/index.ts'
import type { UserDocument } from '../../plugins/projections/user-document.ts'
import type { App } from '../../app.ts'
import { newFolder } from '../folder.ts'
import { databases } from '../helper.ts'
import { until } from '../until.ts'
import { buildOn, copyMongo, copyPostgres, replacePostgres } from './past.ts'

let serial = 0

async function create (app: App, name: string, count: number): Promise<number[]> {
  const ids: number[] = []
  for (let n = 0; n < count; n++) {
    const payload = { name, email: `${name}.${++serial}@example.com` }
    const reply = await app.inject({ method: 'POST', url: '/users', payload, headers: { prefer: 'wait=10' } })
    if (reply.statusCode !== 201) throw new Error(`${reply.statusCode} ${reply.body}`)
    ids.push(reply.json<{ id: number }>().id)
  }
  return ids
}

async function write (app: App, authors: number[], title: string): Promise<string[]> {
  const ids: string[] = []
  for (const author_id of authors) {
    const payload = { title, content: 'x', category: 'c', author_id }
    const reply = await app.inject({ method: 'POST', url: '/posts', payload, headers: { prefer: 'wait=10' } })
    if (reply.statusCode !== 201) throw new Error(`${reply.statusCode} ${reply.body}`)
    ids.push(reply.json<{ id: string }>().id)
  }
  return ids
}

const users = (app: App) => mongoDatabase(app).collection<UserDocument>('users')
const posts = (app: App) => mongoDatabase(app).collection('posts')
const living = async (app: App) =>
  (await users(app).find({ _deleted: { $ne: true } }).sort({ _id: 1 }).toArray()).map(({ _id, name, _v }) => ({
    id: _id,
    name,
    version: _v
  }))
const original = async (app: App) =>
  (await app.pg.query<{ id: number; name: string; version: string }>('SELECT id, name, version FROM users ORDER BY id'))
    .rows.map(({ version, ...user }) => ({ ...user, version: Number(version) }))
const sqlPosts = async (app: App) =>
  (await app.pg.query<{ id: string }>('SELECT id FROM posts ORDER BY id')).rows.map(({ id }) => id)
const isReady = async (app: App) => (await app.inject('/readyz')).json<{ checks: { sql: string } }>().checks.sql
const isMended = (app: App) =>
  until('the copies are repaired', async () => app.projections.fence.mends === 0 && await isReady(app) === 'up')

/** A pair with five users, and a copy of its PostgreSQL database from before the rest of the test. */
async function stage (t: Test) {
  const { databaseUrl, mongoDatabase: MONGODB_DATABASE } = await databases(t)
  const settings = { DATABASE_URL: databaseUrl, MONGODB_DATABASE }
  const first = await buildOn(t, settings)
  const kept = await create(first, 'kept', 5)
  await write(first, kept, 'kept')
  await first.close()
  const past = await copyPostgres(databaseUrl)
  return { settings, past, kept, now: await buildOn(t, settings) }
}

for (const lost of ['created', 'created and deleted', 'created, and their posts deleted'] as const) {
  for (const remedy of ['resync', 'nothing'] as const) {
    t.test(`PostgreSQL goes back to before users who were ${lost}; the operator runs ${remedy}`, async (t) => {
      const { settings, past, kept, now } = await stage(t)
      const forgotten = await create(now, 'lost', 8)
      const theirs = await write(now, forgotten, 'lost')
      await now.inject({
        method: 'PATCH',
        url: `/users/${kept[0]}`,
        payload: { name: 'forgotten' },
        headers: { prefer: 'wait=10' }
      })
      if (lost === 'created and deleted') {
        for (const id of forgotten) {
          await now.inject({ method: 'DELETE', url: `/users/${id}`, headers: { prefer: 'wait=10' } })
        }
      }
      await now.close()

      const app = await buildOn(t, { ...settings, DATABASE_URL: past })
      if (remedy === 'resync') {
        await app.projections.resync('users')
        await app.projections.resync('posts')
      }
      const after = await create(app, 'after', 12)
      t.ok(Math.min(...after) > Math.max(...forgotten), 'no id comes again')
      const written = await write(app, after, 'after')
      await isMended(app)
      t.equal(await posts(app).countDocuments({ title: 'after' }), 12, 'every acknowledged post is there')
      t.equal(
        await posts(app).countDocuments({ title: 'lost' }),
        lost === 'created and deleted' ? 0 : 8,
        'absence deletes nothing'
      )
      t.same(await living(app), await original(app), 'the copy of the users is as SQL has them')
      t.equal((await living(app)).length, 17)
      await until(
        'the posts are carried over',
        async () =>
          written.concat(lost === 'created and deleted' ? [] : theirs).every((id, _at) => id !== '') &&
          (await sqlPosts(app)).length === await posts(app).countDocuments()
      )
      await app.inject({
        method: 'PATCH',
        url: `/users/${kept[1]}`,
        payload: { name: 'goes on' },
        headers: { prefer: 'wait=10' }
      })
      t.same(await living(app), await original(app), 'changes are followed again')
      await app.inject({ method: 'DELETE', url: `/users/${after[0]}`, headers: { prefer: 'wait=10' } })
      await until(
        'a real deletion takes the posts along',
        async () => await posts(app).countDocuments({ author_id: after[0] }) === 0
      )
      t.ok(app.lines.some((line) => line.includes('went back')), 'the log says it')
    })
  }
}

t.test('F54 PostgreSQL is replaced by its past while the service runs', async (t) => {
  const { settings, past, now } = await stage(t)
  const forgotten = await create(now, 'lost', 8)
  await write(now, forgotten, 'lost')
  await replacePostgres(settings.DATABASE_URL, past)
  let after: number[] = []
  await until('it serves again', async () => {
    after = after.length > 0 ? after : await create(now, 'after', 1).catch(() => [])
    return after.length > 0
  })
  after.push(...await create(now, 'after', 9))
  t.ok(Math.min(...after) > Math.max(...forgotten), 'no id comes again')
  await write(now, after, 'after')
  await isMended(now)
  t.equal(await posts(now).countDocuments({ title: { $in: ['lost', 'after'] } }), 18)
  t.same(await living(now), await original(now))
})

t.test('MongoDB goes back: what SQL says of posts that are not there is taken away, users come again', async (t) => {
  const { settings, kept, now } = await stage(t)
  await now.close()
  const past = await copyMongo(settings.MONGODB_DATABASE)
  const later = await buildOn(t, settings)
  await write(later, kept, 'lost')
  await create(later, 'later', 3)
  await later.inject({
    method: 'PATCH',
    url: `/users/${kept[0]}`,
    payload: { name: 'changed' },
    headers: { prefer: 'wait=10' }
  })
  t.equal((await sqlPosts(later)).length, 10)
  await until('the fence has moved', async () => {
    const { rows } = await later.pg.query<{ confirmed: string }>('SELECT confirmed FROM fence')
    const mark = await mongoDatabase(later).collection<{ _id: string; counter: number }>('fence').findOne({
      _id: 'fence'
    })
    return Number(rows[0]?.confirmed) > 3 && mark !== null
  })
  await later.close()

  const app = await buildOn(t, { ...settings, MONGODB_DATABASE: past })
  await until('rows without a post are gone', async () => (await sqlPosts(app)).length === 5)
  await isMended(app)
  t.same(await living(app), await original(app))
  await write(app, kept, 'after')
  await until('posts are followed', async () => (await sqlPosts(app)).length === 10)
})

t.test('MongoDB goes back to before users were deleted: their posts, which come again, go as they went', async (t) => {
  const { settings, kept, now } = await stage(t)
  const [first = 0, second = 0, ...others] = kept
  await now.close()
  const past = await copyMongo(settings.MONGODB_DATABASE)
  const later = await buildOn(t, settings)
  for (const id of [first, second]) {
    await later.inject({ method: 'DELETE', url: `/users/${id}`, headers: { prefer: 'wait=10' } })
  }
  await until('their posts have gone', async () => await posts(later).countDocuments() === others.length)
  const confirmed = async () => Number((await later.pg.query('SELECT confirmed FROM fence')).rows[0].confirmed)
  const before = await confirmed()
  await until('the fence has moved', async () => await confirmed() > before)
  await later.close()

  const app = await buildOn(t, { ...settings, MONGODB_DATABASE: past })
  await until('posts of nobody are gone', async () => await posts(app).countDocuments() === others.length)
  await isMended(app)
  t.same(await living(app), await original(app))
  await until('the rows are those of the posts', async () => (await sqlPosts(app)).length === others.length)
  t.match(app.lines.join(), 'the posts of a deleted user were removed')

  // Who is absent for another reason takes no post along, in the same epoch too.
  await app.pg.query(
    'SET session_replication_role = replica; DELETE FROM users WHERE id = ' + others[0] + '; RESET ALL'
  )
  await app.projections.resync('users')
  t.equal(await posts(app).countDocuments({ author_id: others[0] }), 1, 'absence deletes nothing')
})

t.test('an empty database, or one of another pair, is refused until it is adopted', async (t) => {
  const { settings, now, kept } = await stage(t)
  const other = await databases(t)
  await now.close()
  const second = await buildOn(t, { DATABASE_URL: other.databaseUrl, MONGODB_DATABASE: other.mongoDatabase })
  await create(second, 'other', 2)
  await second.close()
  const empty = (await databases(t)).databaseUrl
  const swaps = {
    'an empty SQL database': { ...settings, DATABASE_URL: empty },
    'an empty MongoDB': { ...settings, MONGODB_DATABASE: (await databases(t)).mongoDatabase },
    'the SQL database of another pair': { ...settings, DATABASE_URL: other.databaseUrl }
  }
  for (const [name, swapped] of Object.entries(swaps)) {
    const app = await buildOn(t, swapped)
    t.equal(await isReady(app), 'not one pair', name)
    t.equal((await app.inject('/readyz')).statusCode, 503)
    const refused = await app.inject({ method: 'POST', url: '/users', payload: { name: 'x', email: 'x@example.com' } })
    t.match(refused, { statusCode: 503, headers: { 'retry-after': /\d+/ } }, 'no connection is handed out')
    t.ok(app.lines.some((line) => line.includes('npm run resync -- adopt')), 'one line names the command')
    await t.rejects(app.projections.resync('users'), { code: 'PAIR_REFUSED' })
    await app.close()
  }
  const app = await buildOn(t, { ...settings, DATABASE_URL: empty })
  await app.projections.adopt()
  await isMended(app)
  const [first] = await create(app, 'new', 1)
  t.ok((first ?? 0) > Math.max(...kept), 'a new user does not inherit posts')
  t.equal(await posts(app).countDocuments(), 5, 'posts stay')
  t.same(await living(app), await original(app))
})

t.test('a connection that leads to a server that was left behind is not used', async (t) => {
  const { settings, past, now } = await stage(t)
  await now.close()
  const behind = await copyPostgres(past)
  const app = await buildOn(t, { ...settings, DATABASE_URL: past })
  await create(app, 'after', 1)
  const zombie = new pg.Client({ connectionString: behind })
  await zombie.connect()
  t.teardown(() => zombie.end())
  await mongoDatabase(app).collection<{ _id: string; counter: number }>('fence').updateOne({ _id: 'fence' }, {
    $inc: { epoch: 1, counter: 1 }
  })
  await app.pg.query('UPDATE fence SET epoch = epoch + 1, counter = counter + 1')
  await app.projections.fence.settle()
  await t.rejects(app.projections.fence.check(zombie), { code: 'PAIR_REFUSED', reason: 'another server' })
  t.equal(await isReady(app), 'up', 'the pair itself goes on')
  await create(app, 'later', 1)
})

t.test('a restored SQLite file', async (t) => {
  const folder = newFolder(t)
  const settings = {
    DATABASE_URL: `file:${folder}/app.db`,
    MONGODB_DATABASE: (await databases(t)).mongoDatabase,
    NODE_ENV: 'development' as const,
    SEED: false
  }
  const first = await buildOn(t, settings)
  const kept = await create(first, 'kept', 3)
  await write(first, kept, 'kept')
  await first.sqlite?.query('PRAGMA wal_checkpoint(TRUNCATE)')
  await first.close()
  copyFileSync(`${folder}/app.db`, `${folder}/past.db`)
  const now = await buildOn(t, settings)
  const forgotten = await create(now, 'lost', 6)
  await write(now, forgotten, 'lost')
  await now.close()

  const app = await buildOn(t, { ...settings, DATABASE_URL: `file:${folder}/past.db` })
  const after = await create(app, 'after', 6)
  t.ok(Math.min(...after) > Math.max(...forgotten), 'no id comes again')
  await write(app, after, 'after')
  const { fence } = app.projections
  await until('the copies are repaired', () => fence.repairs === 1 && fence.mends === 0)
  t.equal(await posts(app).countDocuments({ title: { $in: ['lost', 'after'] } }), 12)
  t.same((await living(app)).map(({ id }) => id), [...kept, ...after])
})

t.test('F55 TRUNCATE users fires no event for a row: the copies are compared as a whole', async (t) => {
  const { kept, now } = await stage(t)
  await now.pg.query('TRUNCATE users RESTART IDENTITY CASCADE')
  await until('the copy is empty', async () => (await living(now)).length === 0)
  t.equal(await posts(now).countDocuments(), 5, 'posts stay: no deletion of their authors is known')
  const [id] = await create(now, 'new', 1)
  t.ok((id ?? 0) > Math.max(...kept), 'a new user does not inherit posts')
  await isMended(now)
  t.same(await living(now), await original(now))
})
