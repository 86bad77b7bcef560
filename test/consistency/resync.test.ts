// A comparison of a copy that is interrupted goes on where it stopped, and never where that would skip something.
import t, { type Test } from 'tap'
import { mongoDatabase } from '../../plugins/mongo/index.ts'
import type { UserDocument } from '../../plugins/projections/user-document.ts'
import type { App } from '../../app.ts'
import { databases } from '../helper.ts'
import { until } from '../until.ts'
import { buildOn } from './past.ts'

const USERS = 3500
const POSTS = 1700
const users = (app: App) => mongoDatabase(app).collection<UserDocument>('users')
const posts = (app: App) => mongoDatabase(app).collection('posts')
const progress = (app: App) => mongoDatabase(app).collection<{ _id: string; purpose: string }>('copy_progress')
const rows = async (app: App) =>
  Number((await app.pg.query<{ n: string }>('SELECT count(*) AS n FROM posts')).rows[0]?.n)

async function fixture (t: Test) {
  const { databaseUrl, mongoDatabase: MONGODB_DATABASE } = await databases(t)
  const settings = { DATABASE_URL: databaseUrl, MONGODB_DATABASE }
  const app = await buildOn(t, { ...settings, PROJECTIONS: false })
  await app.pg.query('ALTER TABLE users DISABLE TRIGGER USER')
  await app.pg.query(
    `INSERT INTO users (email, name) SELECT 'u' || n || '@example.com', 'Ada' FROM generate_series(1, ${USERS}) AS n`
  )
  await app.pg.query('ALTER TABLE users ENABLE TRIGGER USER')
  await posts(app).insertMany(Array.from({ length: POSTS }, (_, n) => ({
    title: `post ${n}`,
    content: 'x',
    category: 'c',
    author_id: 1 + n % USERS,
    created_at: new Date(),
    updated_at: new Date()
  })))
  return { settings, app, another: () => buildOn(t, { ...settings, PROJECTIONS: false }) }
}

/** Runs a comparison that breaks once so many were compared. */
async function interrupt (t: Test, app: App, name: 'users' | 'posts', at: number): Promise<void> {
  app.projections.onProgress = (_copy, compared) => {
    if (compared >= at) throw new Error('interrupted')
  }
  await t.rejects(app.projections.resync(name), { message: 'interrupted' })
  t.equal(app.projections.copying.size, 0)
}

t.test('users: the part that was compared is not compared again, the next run compares all', async (t) => {
  const { app, another } = await fixture(t)
  await interrupt(t, app, 'users', 2000)
  t.equal(await users(app).countDocuments(), 2000)
  await users(app).deleteOne({ _id: 5 })
  const next = await another()
  const seen: number[] = []
  next.projections.onProgress = (_copy, compared) => {
    t.equal(next.projections.copying.get('users')?.compared, compared, 'the status knows')
    seen.push(compared)
  }
  t.match(await next.projections.resync('users'), { missing: USERS, different: 0, extra: 0 }, 'both parts are told')
  t.same(seen, [3000])
  t.ok(next.lines.some((line) => line.includes('an interrupted comparison of a copy goes on')))
  t.equal(await users(app).countDocuments(), USERS - 1)
  t.match(await next.projections.resync('users'), { missing: 1 }, 'the run after it is a whole one')
})

t.test('posts: what changed in the part that was copied meanwhile is carried over all the same', async (t) => {
  const { app, settings, another } = await fixture(t)
  await interrupt(t, app, 'posts', 1000)
  t.equal(await rows(app), 1000)
  await posts(app).updateOne({ title: 'post 3' }, { $set: { title: 'changed' } })
  await posts(app).deleteOne({ title: 'post 4' })
  const next = await another()
  t.match(await next.projections.resync('posts'), { missing: POSTS })
  t.equal(await rows(next), POSTS)
  const following = await buildOn(t, settings)
  await until('the stream goes on from where the first run began', async () => {
    const { rowCount } = await following.pg.query("SELECT 1 FROM posts WHERE title IN ('changed', 'post 4')")
    return rowCount === 1 && await rows(following) === POSTS - 1
  })
})

t.test('a first copy that a killed process began is gone on with by the one that follows', async (t) => {
  const { app, settings } = await fixture(t)
  await interrupt(t, app, 'posts', 500)
  const following = await buildOn(t, settings)
  await until('all are copied', async () => await rows(following) === POSTS)
  t.ok(following.lines.some((line) => line.includes('an interrupted comparison of a copy goes on')))
  await until('nothing is kept of it', async () => await progress(app).countDocuments({ _id: 'posts' }) === 0)
})

t.test('it begins anew where going on would skip something', async (t) => {
  const { app, another } = await fixture(t)
  const next = await another()
  const spoil: Record<string, () => Promise<unknown>> = {
    'another pair or epoch': () => progress(app).updateMany({}, { $set: { timeline: 'of before' } }),
    'another purpose': () => progress(app).updateMany({}, { $set: { purpose: 'repair 7' } }),
    'long ago': () => progress(app).updateMany({}, { $set: { saved_at: new Date(Date.now() - 3_700_000) } })
  }
  for (const [why, change] of Object.entries(spoil)) {
    await interrupt(t, app, 'posts', 1000)
    await change()
    await app.pg.query("DELETE FROM posts WHERE title = 'post 7'")
    await next.projections.resync('posts')
    t.equal(await rows(app), POSTS, why)
    await app.pg.query('DELETE FROM posts')
  }
  await interrupt(t, app, 'posts', 1000)
  await app.pg.query("DELETE FROM posts WHERE title = 'post 7'")
  await next.projections.resync('posts', { isAnew: true })
  t.equal(await rows(app), POSTS, 'wanted so')
})
