// What goes wrong in the transactions of the projections on SQLite, in which copies and events are written.
import path from 'node:path'
import t from 'tap'
import { copyPosts } from '../../plugins/projections/copy-posts.ts'
import { openStores } from '../../plugins/projections/stores.ts'
import { SqliteReadWritePool } from '../../plugins/sql/sqlite/read-write-pool.ts'
import { migrateMemory } from '../../plugins/sql/sqlite/migrate.ts'
import { newFolder } from '../folder.ts'
import { build } from '../helper.ts'

const limits = { timeout: 2000, maxWaiting: 10 }

t.test('a transaction that SQLite has rolled back by itself gives its place back', async (t) => {
  const app = await build(t, { settings: { DATABASE_URL: ':memory:', PROJECTIONS: false } })
  const { transaction } = openStores(app)
  const full = new Error('database or disk is full')
  await t.rejects(
    transaction(async (tx) => {
      await tx.query('rollback')
      throw full
    }),
    full
  )
  t.equal(await transaction(async () => 'next'), 'next')
  t.equal(
    (await app.inject({ method: 'POST', url: '/users', payload: { name: 'Ada', email: 'ada@example.com' } }))
      .statusCode,
    201
  )
})

t.test('a copy forgets more posts than a statement takes values', async (t) => {
  const pool = new SqliteReadWritePool({ path: ':memory:', readers: 1, ...limits })
  t.teardown(() => {
    pool.close()
  })
  await migrateMemory(pool)
  await pool.query("insert into users (id, email, name, version) values (1, 'ada@example.com', 'Ada', 1)")
  await pool.query(`insert into posts (id, author_id, title, category, content_length, created_at)
    with recursive n (n) as (select 1 union all select n + 1 from n where n < 40000) select printf('%024x', n), 1, 't', 'c', 1, '2025-01-01T00:00:00.000Z' from n`)
  const course = {
    from: { after: undefined, compared: 0, report: { missing: 0, different: 0, extra: 0 } },
    reached: async () => {}
  }
  const none = (async function* () {})()
  t.match(await copyPosts((fn) => fn(pool), none, course), { extra: 40_000 })
  t.same((await pool.query('select count(*) as n from posts')).rows, [{ n: 0 }])
})

t.test('a database that is closed during a transaction ends the transaction, not the process', async (t) => {
  const pool = new SqliteReadWritePool({ path: path.join(newFolder(t), 'app.db'), readers: 1, ...limits })
  await pool.query('create table t (v)')
  const [first, second] = [
    await pool.begin({ readOnly: false, isAborted: () => false }),
    await pool.begin({ readOnly: true, isAborted: () => false })
  ]
  await first.query('insert into t values (1)')
  pool.close()
  await t.rejects(first.end('commit'), /closed before/)
  await t.rejects(second.end('rollback'), /closed before/)
})
