import { eq, inArray, sql } from 'drizzle-orm'
import t from 'tap'
import { getDialect, type Database } from '../../drizzle/index.ts'
import { recountPosts } from '../../plugins/projections/post-counts.ts'
import type { Sql } from '../../plugins/projections/sql.ts'
import { deleteRows, upsertRows } from '../../plugins/projections/posts-table.ts'
import { createUserAnalyticsRepository } from '../../plugins/repositories/user-analytics.ts'
import { createUserRepository } from '../../plugins/repositories/users.ts'
import { handles, postgresHandle } from './handles.ts'

interface Post {
  author_id: number
  content_length: number
}
type Counts = Array<[number, number, number]>

// A small generator with a fixed seed: the same writes in every run.
let state = 7
const random = (below: number) => {
  state = (state * 1664525 + 1013904223) % 2 ** 32
  return Math.floor(state / 2 ** 32 * below)
}

/** What is counted, author by author. */
async function read (db: Database): Promise<Counts> {
  const { authorPostCounts } = getDialect(db).tables
  const rows = await db.select().from(authorPostCounts).orderBy(authorPostCounts.author_id)
  return rows.map((row) => [row.author_id, row.post_count, row.content_length])
}

function count (posts: Iterable<Post>): Counts {
  const counts = new Map<number, [number, number, number]>()
  for (const { author_id, content_length } of posts) {
    const [, n, length] = counts.get(author_id) ?? [author_id, 0, 0]
    counts.set(author_id, [author_id, n + 1, length + content_length])
  }
  return [...counts.values()].sort(([a], [b]) => a - b)
}

/** A connection as the projections have it. */
function asSql (db: Database): Sql {
  return (db as unknown as { $client: Sql }).$client
}

const toRow = (id: string, post: Post) => ({
  id,
  title: 't',
  category: 'c',
  created_at: new Date(0).toISOString(),
  ...post
})

t.test('whatever is written to posts, in whatever order, the counts tell what is there', async (t) => {
  for (const { kind, db } of await handles(t)) {
    const tx = asSql(db)
    const model = new Map<string, Post>()
    for (let round = 0; round < 120; round++) {
      const ids = [...new Set(Array.from({ length: 1 + random(6) }, () => `p${random(25)}`))]
      if (random(3) === 0) {
        for (const id of ids) model.delete(id)
        await deleteRows(tx, ids)
      } else {
        const rows = ids.map((id) => [id, { author_id: random(5), content_length: random(100) }] as const)
        for (const [id, post] of rows) model.set(id, post)
        await upsertRows(tx, rows.map(([id, post]) => toRow(id, post)))
      }
      t.strictSame(await read(db), count(model.values()), `${kind}, round ${round}`)
    }
    const { posts } = getDialect(db).tables
    await db.update(posts).set({ author_id: 4 }).where(inArray(posts.author_id, [1, 2]))
    for (const post of model.values()) if ([1, 2].includes(post.author_id)) post.author_id = 4
    t.strictSame(await read(db), count(model.values()), 'posts of several authors pass to one')
    await db.delete(posts)
    t.strictSame(await read(db), [], 'nobody is left without posts')
  }
})

t.test('TRUNCATE empties the counts; what went past the triggers is counted anew', async (t) => {
  const { db, pool } = await postgresHandle(t)
  const { posts, authorPostCounts } = getDialect(db).tables
  await upsertRows(pool, [toRow('a', { author_id: 1, content_length: 3 })])
  await db.execute(sql`truncate posts`)
  t.strictSame(await read(db), [])
  await db.execute(sql`alter table posts disable trigger user`)
  await upsertRows(pool, ['a', 'b', 'c'].map((id, n) => toRow(id, { author_id: 1 + n % 2, content_length: 5 })))
  await db.insert(authorPostCounts).values([[1, 7], [9, 1]].map(([author_id = 0, post_count = 0]) => ({
    author_id,
    post_count,
    content_length: 1
  })))
  await db.execute(sql`alter table posts enable trigger user`)
  const client = await pool.connect()
  await client.query('begin')
  await recountPosts(client, 'postgres')
  await client.query('commit')
  client.release()
  t.strictSame(await read(db), [[1, 2, 10], [2, 1, 5]])
  await db.delete(posts).where(eq(posts.id, 'b'))
  t.strictSame(await read(db), [[1, 2, 10]])
})

t.test('pages of analytics pass from those with posts to those without, by cursor and by skip', async (t) => {
  for (const { kind, db } of await handles(t)) {
    const users = createUserRepository(db)
    for (let n = 1; n <= 9; n++) await users.create({ email: `${n}@example.com`, name: `User ${n}` })
    const authors = [3, 3, 5, 5, 8, 99]
    await upsertRows(asSql(db), authors.map((author_id, n) => toRow(`p${n}`, { author_id, content_length: 1 })))
    const analytics = createUserAnalyticsRepository(db)
    const expected = [3, 5, 8, 1, 2, 4, 6, 7, 9].map((n) => `User ${n}`)
    for (const limit of [1, 2, 3, 4, 100]) {
      const seen: string[] = []
      for (let after: string | undefined, isFirst = true; isFirst || after !== undefined; isFirst = false) {
        const page = await analytics.list({ limit, ...(after === undefined ? {} : { after }) })
        seen.push(...page.items.map(({ name }) => name))
        after = page.next
      }
      t.strictSame(seen, expected, `${kind}, ${limit} at a time`)
      const skipped = await analytics.list({ limit, skip: 2 })
      t.strictSame(skipped.items.map(({ name }) => name), expected.slice(2, 2 + limit))
    }
    t.strictSame((await analytics.list({ limit: 5, skip: 9 })).items, [])
  }
})
