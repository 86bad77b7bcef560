import { desc } from 'drizzle-orm'
import t from 'tap'
import { getDialect, type Database } from '../../drizzle/index.ts'
import { createOrderRepository, type Order } from '../../plugins/repositories/orders.ts'
import { createUserAnalyticsRepository } from '../../plugins/repositories/user-analytics.ts'
import type { UserAnalytics } from '../../schemas/user-analytics.ts'
import { createUserRepository, POSTS_PER_USER } from '../../plugins/repositories/users.ts'
import { handles, postgresHandle, type Handle } from './handles.ts'

const item = { product: 'Pencil', quantity: 3, unit_price: '0.10' }

async function addUsers (db: Database, count: number): Promise<number[]> {
  const users = createUserRepository(db)
  const ids: number[] = []
  for (let n = 1; n <= count; n++) ids.push((await users.create({ email: `${n}@example.com`, name: `User ${n}` })).id)
  return ids
}

async function addPosts (db: Database, author_id: number, count: number, length = 10): Promise<void> {
  const { posts } = getDialect(db).tables
  await db.insert(posts).values(Array.from({ length: count }, (_, n) => ({
    id: `${author_id}-${String(n).padStart(4, '0')}`,
    author_id,
    title: `Post ${n}`,
    category: 'c',
    content_length: length,
    created_at: new Date(n * 1000)
  })))
}

/** How many statements a piece of work sends. */
async function counted ({ sent }: Handle, work: () => Promise<unknown>): Promise<number> {
  const before = sent.length
  await work()
  return sent.length - before
}

async function newestEvent (db: Database): Promise<number | undefined> {
  const { outbox } = getDialect(db).tables
  const [event] = await db.select({ id: outbox.id }).from(outbox).orderBy(desc(outbox.id)).limit(1)
  return event?.id
}

/** All pages of a list, following its cursor. */
async function pages<Item, Cursor extends string | number> (
  read: (after: Cursor | undefined) => Promise<{ items: Item[]; next: Cursor | undefined }>
): Promise<Item[][]> {
  const found: Item[][] = []
  let after: Cursor | undefined
  do {
    const { items, next } = await read(after)
    found.push(items)
    after = next
  } while (after !== undefined)
  return found
}

t.test('users: create, read, change, delete', async (t) => {
  for (const handle of await handles(t)) {
    const users = createUserRepository(handle.db)
    const user = await users.create({ email: 'ada@example.com', name: 'Ada' })
    t.match(user, { email: 'ada@example.com', name: 'Ada', created_at: Date, updated_at: Date }, handle.kind)
    const { version, ...seen } = user
    t.strictSame(await users.getById(user.id), user)
    t.strictSame(await users.getByEmail('ada@example.com'), seen)
    t.equal(version, await newestEvent(handle.db), 'a write returns the event it made')
    t.strictSame(await users.getByEmail('ADA@example.com'), seen)

    const renamed = await users.update(user.id, { name: 'Ada L.' })
    t.equal(renamed?.version, await newestEvent(handle.db))
    t.match(renamed, { email: 'ada@example.com', name: 'Ada L.' }, 'only what is given changes')
    t.match(await users.update(user.id, { email: 'l@example.com' }), { email: 'l@example.com', name: 'Ada L.' })
    t.strictSame((await users.update(user.id, {}))?.created_at, user.created_at)
    t.equal(await users.update(99, { name: 'nobody' }), null)

    t.equal(await users.delete(user.id), true)
    t.equal(await users.delete(user.id), false)
    t.equal(await users.getById(user.id), null)
    t.equal(await counted(handle, () => users.create({ email: 'b@example.com', name: 'B' })), 1)
  }
})

t.test('users with posts: one statement, whatever there is', async (t) => {
  for (const handle of await handles(t)) {
    const users = createUserRepository(handle.db)
    const ids = await addUsers(handle.db, 5)
    await addPosts(handle.db, ids[0] ?? 0, POSTS_PER_USER + 5)
    await addPosts(handle.db, ids[2] ?? 0, 2)
    t.equal(await counted(handle, () => users.list({ limit: 100 })), 1, handle.kind)
    t.equal(await counted(handle, () => users.list({ limit: 2 })), 1)

    const { items, next } = await users.list({ limit: 100 })
    t.equal(next, undefined)
    t.strictSame(items.map(({ id }) => id), ids)
    t.strictSame(items.map(({ posts }) => posts.length), [POSTS_PER_USER, 0, 2, 0, 0], 'the newest posts only')
    t.strictSame(items[2]?.posts.map(({ title }) => title), ['Post 1', 'Post 0'], 'newest first')
    t.strictSame(Object.keys(items[2]?.posts[0] ?? {}).sort(), ['author_id', 'category', 'created_at', 'id', 'title'])
  }
})

t.test('users: pages by skip, by cursor and by e-mail', async (t) => {
  for (const { kind, db } of await handles(t)) {
    const users = createUserRepository(db)
    const ids = await addUsers(db, 5)
    await addPosts(db, ids[1] ?? 0, 3)
    const seen = await pages<{ id: number }, string>((after) =>
      users.list({ limit: 2, ...(after === undefined ? {} : { after }) })
    )
    t.strictSame(seen.map((page) => page.map(({ id }) => id)), [ids.slice(0, 2), ids.slice(2, 4), ids.slice(4)], kind)
    t.strictSame((await users.list({ limit: 2, skip: 3 })).items.map(({ id }) => id), ids.slice(3))
    t.strictSame((await users.list({ limit: 2, skip: 9 })).items, [])

    const found = await users.list({ limit: 10, email: '2@example.com' })
    t.match(found, { items: [{ id: ids[1], posts: { length: 3 } }], next: undefined })
    t.strictSame((await users.list({ limit: 10, email: '2@example.com', skip: 1 })).items, [])
    t.strictSame((await users.list({ limit: 10, email: '2@example.com', after: String(ids[1]) })).items, [])
    t.strictSame((await users.list({ limit: 10, email: 'nobody@example.com' })).items, [])
  }
})

t.test('orders: exact totals, items in one statement', async (t) => {
  for (const handle of await handles(t)) {
    const orders = createOrderRepository(handle.db)
    const [user_id = 0] = await addUsers(handle.db, 1)
    const order = await orders.create({
      user_id,
      items: [item, { product: 'Slide rule', quantity: 10_000, unit_price: '99999999.99' }]
    })
    t.match(order, { user_id, status: 'pending', total: '999999999900.30', created_at: Date }, handle.kind)
    t.match(order.items, [{ ...item }, { product: 'Slide rule', quantity: 10_000, unit_price: '99999999.99' }])
    t.strictSame(await orders.getById(order.id), order)
    t.equal(await orders.getById(order.id + 99), null)
    t.equal(
      (await orders.create({
        user_id,
        items: Array.from({ length: 100 }, () => ({ ...item, quantity: 10_000, unit_price: '99999999.99' }))
      })).total,
      '99999999990000.00',
      'the largest order fits'
    )
    for (const length of [1, 7, 100]) {
      t.equal(await counted(handle, () => orders.create({ user_id, items: Array.from({ length }, () => item) })), 2)
    }
    t.equal(await counted(handle, () => orders.getById(order.id)), 1)
  }
})

t.test('orders: newest first, ids break ties, pages by cursor, of one user', async (t) => {
  for (const handle of await handles(t)) {
    const { db, kind } = handle
    const orders = createOrderRepository(db)
    const [first = 0, second = 0] = await addUsers(db, 2)
    const ids: number[] = []
    for (let n = 0; n < 7; n++) {
      ids.unshift((await orders.create({ user_id: n % 2 === 0 ? first : second, items: [item, item] })).id)
    }
    const { orders: table } = getDialect(db).tables
    await db.update(table).set({ created_at: new Date('2025-01-01T00:00:00.123Z') })
    const late = await orders.create({ user_id: second, items: [item] })
    const expected = [late.id, ...ids]

    const all = await pages<Order, string>((after) =>
      orders.list({ limit: 3, ...(after === undefined ? {} : { after }) })
    )
    t.strictSame(all.map(({ length }) => length), [3, 3, 2], kind)
    t.strictSame(all.flat().map(({ id }) => id), expected)
    t.strictSame(all.flat().map(({ items }) => items.length), [1, 2, 2, 2, 2, 2, 2, 2])
    t.strictSame((await orders.list({ limit: 2, skip: 5 })).items.map(({ id }) => id), expected.slice(5, 7))

    const own = await pages<Order, string>((after) =>
      orders.list({ limit: 2, user_id: second, ...(after === undefined ? {} : { after }) })
    )
    t.strictSame(
      own.flat().map(({ id }) => id),
      expected.filter((_, at) => at === 0 || ids.indexOf(expected[at] ?? 0) % 2 === 1)
    )
    t.strictSame((await orders.list({ limit: 9, user_id: second, skip: 3 })).items.length, 1)
    t.strictSame((await orders.list({ limit: 9, user_id: 99 })).items, [])
    t.equal(await counted(handle, () => orders.list({ limit: 100 })), 1)
    t.strictSame(
      (await orders.list({ limit: 9, after: '9999999999999_9999999999' })).items.length,
      8,
      'a cursor from beyond any id'
    )
  }
})

t.test('analytics: those who wrote most first, null without posts', async (t) => {
  for (const handle of await handles(t)) {
    const { db, kind } = handle
    const analytics = createUserAnalyticsRepository(db)
    const ids = await addUsers(db, 4)
    await addPosts(db, ids[1] ?? 0, 2, 10)
    await addPosts(db, ids[3] ?? 0, 2, 3)
    await addPosts(db, ids[2] ?? 0, 3, 5)
    await addPosts(db, 999, 9) // an author who is gone
    const { posts } = getDialect(db).tables
    await db.insert(posts).values({
      id: 'odd',
      author_id: ids[1] ?? 0,
      title: 't',
      category: 'c',
      content_length: 11,
      created_at: new Date(0)
    })
    const expected = [
      { name: 'User 2', post_count: 3, avg_content_length: 31 / 3 },
      { name: 'User 3', post_count: 3, avg_content_length: 5 },
      { name: 'User 4', post_count: 2, avg_content_length: 3 },
      { name: 'User 1', post_count: 0, avg_content_length: null }
    ]
    t.strictSame((await analytics.list({ limit: 10 })).items, expected, kind)
    for (const limit of [1, 3]) {
      const seen = await pages<UserAnalytics, string>((after) =>
        analytics.list({ limit, ...(after === undefined ? {} : { after }) })
      )
      t.strictSame(seen.flat(), expected)
    }
    t.strictSame((await analytics.list({ limit: 2, skip: 3 })).items, expected.slice(3))
    t.equal(await counted(handle, () => analytics.list({ limit: 10 })), 1)
  }
})

t.test('lists enter their indexes where the page begins', async (t) => {
  const handle = await postgresHandle(t)
  const { db, pool, sent } = handle
  const [user_id = 0] = await addUsers(db, 30)
  await pool.query(
    `insert into orders (user_id, total, created_at) select $1 + n % 30, '1.00', now() - n * interval '1 minute' from generate_series(1, 20000) n`,
    [user_id]
  )
  await pool.query(
    "insert into order_items (order_id, product, quantity, unit_price) select id, 'p', 1, '1.00' from orders"
  )
  await pool.query(
    `insert into posts (id, author_id, title, category, content_length, created_at) select n::text, 1 + n % 30, repeat('t', 100), 'c', 10, now() - n * interval '1 second' from generate_series(1, 20000) n`
  )
  await pool.query('vacuum analyze')
  const plan = async (work: () => Promise<unknown>, setting = 'select 1') => {
    await work()
    const { text = '', values = [] } = sent.at(-1) ?? {}
    const client = await pool.connect()
    await client.query(`begin; ${setting}`)
    const { rows } = await client.query<{ 'QUERY PLAN': string }>(`explain ${text}`, values)
    await client.query('rollback')
    client.release()
    return rows.map((row) => row['QUERY PLAN']).join('\n')
  }
  const orders = createOrderRepository(db)
  const after = `${Date.now() - 600 * 60_000}_5`
  const page = await plan(() => orders.list({ limit: 10, after }))
  t.match(page, /Index Scan using orders_created_at_idx/)
  t.match(page, /Index Cond: \(ROW\(created_at, id\) </, 'the cursor is a condition of the index')
  t.match(
    await plan(() => orders.list({ limit: 10, user_id, after })),
    /Index Scan using orders_user_id_created_at_idx/
  )
  t.match(await plan(() => orders.getById(5)), /order_items_order_id_idx/)
  t.match(
    await plan(() => createUserAnalyticsRepository(db).list({ limit: 10 }), 'set local enable_seqscan = off'),
    /Index Scan using author_post_counts_post_count_idx/,
    'the counts come in their order'
  )
})
