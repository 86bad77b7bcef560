import { and, asc, avg, count, desc, eq, getTableColumns, gt, param, sql } from 'drizzle-orm'
import t from 'tap'
import { getDialect, type Database } from '../../drizzle/index.ts'
import { defineQueries, many, type Params } from '../../drizzle/prepared/queries.ts'
import { handles, postgresHandle } from '../repositories/handles.ts'

type NewUser = { email: string; name: string }

const queries = defineQueries('sample', (db, { users, orders, orderItems, posts, outbox }, { now }) => ({
  add: ({ email, name }: Params<NewUser>) => db.insert(users).values({ email, name }).returning(),
  addAll: many((rows: Array<Params<NewUser>>) =>
    db.insert(users).values(rows.map(({ email, name }) => ({ email, name }))).returning({
      id: users.id,
      name: users.name
    })
  ),
  all: () => db.select().from(users).orderBy(asc(users.id)),
  byId: ({ id }: Params<{ id: number }>) => db.select().from(users).where(eq(users.id, id)),
  partly: () =>
    db.select({
      id: users.id,
      shout: sql<string>`upper(${users.name})`,
      marked: sql<string>`${users.name} || '!'`.as('marked')
    }).from(users).orderBy(users.id),
  numbers: () => db.select({ n: count(), average: avg(posts.content_length).mapWith(Number) }).from(posts),
  joined: () => db.select().from(users).innerJoin(orders, eq(orders.user_id, users.id)).orderBy(orders.id),
  outer: () =>
    db.select({ user: { id: users.id, at: users.created_at }, order: orders, twice: sql<number>`${users.id} * 2` })
      .from(users).leftJoin(orders, eq(orders.user_id, users.id)).orderBy(users.id, orders.id),
  nested: () => {
    const page = db.select(getTableColumns(orders)).from(orders).orderBy(desc(orders.id)).limit(2).as('page')
    return db.select({
      page: { id: page.id, total: page.total, at: page.created_at },
      item: getTableColumns(orderItems)
    }).from(page)
      .leftJoin(orderItems, eq(orderItems.order_id, page.id)).orderBy(desc(page.id), orderItems.id)
  },
  since: ({ time }: Params<{ time: Date }>) =>
    db.select({ id: posts.id, at: posts.created_at }).from(posts).where(
      gt(posts.created_at, param(time, posts.created_at))
    ).orderBy(posts.id),
  events: () =>
    db.select({ key: outbox.key, payload: outbox.payload, parked: outbox.parked_at }).from(outbox).where(
      and(eq(outbox.topic, 'users'), eq(outbox.attempts, 0))
    ).orderBy(outbox.id),
  touch: ({ id }: Params<{ id: number }>) =>
    db.update(users).set({ updated_at: now }).where(eq(users.id, id)).returning({ id: users.id }),
  raw: ({ id }: Params<{ id: number }>) =>
    sql<{ id: number; name: string }>`select id, name from users where id = ${id}`,
  remove: ({ id }: Params<{ id: number }>) => db.delete(users).where(eq(users.id, id)).returning({ id: users.id })
}))

/** The constraint that a promise was rejected for. */
async function violated (work: PromiseLike<unknown>): Promise<unknown> {
  return await work.then(() => 'nothing', (error: { constraint?: string }) => error.constraint)
}

async function fill (db: Database): Promise<void> {
  const { users, orders, orderItems, posts } = getDialect(db).tables
  const added = await db.insert(users).values([1, 2, 3].map((n) => ({ email: `${n}@example.com`, name: `user ${n}` })))
    .returning()
  const [first, second] = added
  const made = await db.insert(orders).values([{ user_id: first?.id ?? 0, total: '10.50' }, {
    user_id: first?.id ?? 0,
    total: '0.00'
  }, { user_id: second?.id ?? 0, total: '99999999999999.99' }]).returning()
  await db.insert(orderItems).values(
    [1, 2].map((n) => ({ order_id: made[2]?.id ?? 0, product: `p${n}`, quantity: n, unit_price: '1.10' }))
  )
  await db.insert(posts).values(
    [0, 1, 2].map((n) => ({
      id: `post${n}`,
      author_id: first?.id ?? 0,
      title: `t${n}`,
      category: 'c',
      content_length: n,
      created_at: new Date(n * 1000 + 123)
    }))
  )
}

t.test('every query answers as Drizzle itself would', async (t) => {
  for (const { kind, db } of await handles(t)) {
    await fill(db)
    const { users, orders, orderItems, posts, outbox } = getDialect(db).tables
    const run = queries.on(db)
    const page = db.select(getTableColumns(orders)).from(orders).orderBy(desc(orders.id)).limit(2).as('page')
    const time = new Date(1500)
    const pairs: Array<[string, Promise<unknown>, PromiseLike<unknown>]> = [
      ['all columns', run.all(), db.select().from(users).orderBy(asc(users.id))],
      ['a placeholder', run.byId({ id: 2 }), db.select().from(users).where(eq(users.id, 2))],
      [
        'expressions and aliases',
        run.partly(),
        db.select({
          id: users.id,
          shout: sql<string>`upper(${users.name})`,
          marked: sql<string>`${users.name} || '!'`.as('marked')
        }).from(users).orderBy(users.id)
      ],
      [
        'decoders of expressions',
        run.numbers(),
        db.select({ n: count(), average: avg(posts.content_length).mapWith(Number) }).from(posts)
      ],
      [
        'an inner join',
        run.joined(),
        db.select().from(users).innerJoin(orders, eq(orders.user_id, users.id)).orderBy(orders.id)
      ],
      [
        'an outer join',
        run.outer(),
        db.select({ user: { id: users.id, at: users.created_at }, order: orders, twice: sql<number>`${users.id} * 2` })
          .from(users).leftJoin(orders, eq(orders.user_id, users.id)).orderBy(users.id, orders.id)
      ],
      [
        'a join on a sub-query',
        run.nested(),
        db.select({ page: { id: page.id, total: page.total, at: page.created_at }, item: getTableColumns(orderItems) })
          .from(page).leftJoin(orderItems, eq(orderItems.order_id, page.id)).orderBy(desc(page.id), orderItems.id)
      ],
      [
        'an encoded parameter',
        run.since({ time }),
        db.select({ id: posts.id, at: posts.created_at }).from(posts).where(gt(posts.created_at, time)).orderBy(
          posts.id
        )
      ],
      [
        'JSON and constants',
        run.events(),
        db.select({ key: outbox.key, payload: outbox.payload, parked: outbox.parked_at }).from(outbox).where(
          and(eq(outbox.topic, 'users'), eq(outbox.attempts, 0))
        ).orderBy(outbox.id)
      ]
    ]
    for (const [what, ours, theirs] of pairs) {
      const rows = await ours as unknown[]
      t.not(rows.length, 0, `${kind}: ${what} has rows`)
      t.strictSame(rows, await theirs, `${kind}: ${what}`)
    }
    t.equal((await run.outer()).at(-1)?.order, null, `${kind}: an order that is not there is null`)
    const [found] = await run.raw({ id: 2 })
    // As the driver has it: text, where a column is a bigint and nobody has asked for numbers.
    t.strictSame(found, { id: kind === 'postgres' ? '2' : 2, name: 'user 2' }, `${kind}: raw SQL`)
  }
})

t.test('writes return their rows', async (t) => {
  for (const { kind, db } of await handles(t)) {
    const run = queries.on(db)
    const [added] = await run.add({ email: 'a@example.com', name: 'a' })
    t.match(added, { id: 1, email: 'a@example.com', name: 'a', created_at: Date }, kind)
    t.strictSame(await run.addAll([{ email: 'b@example.com', name: 'b' }, { email: 'c@example.com', name: 'c' }]), [{
      id: 2,
      name: 'b'
    }, { id: 3, name: 'c' }])
    t.strictSame(await run.touch({ id: 2 }), [{ id: 2 }])
    t.strictSame(await run.remove({ id: 3 }), [{ id: 3 }])
    t.strictSame(await run.remove({ id: 3 }), [])
  }
})

t.test('statements are built once and sent by name', async (t) => {
  const { db, sent } = await postgresHandle(t)
  const run = queries.on(db)
  await run.byId({ id: 1 })
  await run.byId({ id: 2 })
  await run.addAll([{ email: 'a@example.com', name: 'a' }])
  await run.addAll([{ email: 'b@example.com', name: 'b' }, { email: 'c@example.com', name: 'c' }])
  await queries.on(db).addAll([{ email: 'd@example.com', name: 'd' }])
  t.strictSame(sent.map(({ name }) => name), [
    'sample_by_id',
    'sample_by_id',
    'sample_add_all_1',
    'sample_add_all_2',
    'sample_add_all_1'
  ])
  t.equal(sent[0]?.text, sent[1]?.text)
  t.strictSame(sent[3]?.values, ['b@example.com', 'b', 'c@example.com', 'c'])
})

t.test('they run on a transaction and on a savepoint, on its own connection', async (t) => {
  const { db, sent, pool } = await postgresHandle(t)
  await db.transaction(async (outer) => {
    await queries.on(outer).add({ email: 'kept@example.com', name: 'kept' })
    await outer.transaction(async (inner) => {
      await queries.on(inner).add({ email: 'undone@example.com', name: 'undone' })
      inner.rollback()
    }).catch(() => {})
    t.equal((await queries.on(outer).all()).length, 1)
    t.equal((await queries.on(db).all()).length, 0, 'outside, nothing is visible yet')
  })
  t.strictSame((await queries.on(db).all()).map(({ name }) => name), ['kept'])
  t.strictSame(sent.filter(({ name }) => name !== undefined).map(({ name }) => name), [
    'sample_add',
    'sample_add',
    'sample_all',
    'sample_all',
    'sample_all'
  ])
  t.equal(pool.totalCount <= 2, true)
})

t.test('a value that was forgotten is an error, not a null', async (t) => {
  for (const { kind, db } of await handles(t)) {
    t.throws(() => queries.on(db).byId({} as { id: number }), {
      name: 'TypeError',
      message: /sample_by_id was given no value for id/
    }, kind)
    t.throws(() => queries.on(db).addAll([{ email: 'x' } as NewUser]), { message: /no value for 0\.name/ }, kind)
  }
})

t.test('values must be named in a query, and fields may nest one level', async (t) => {
  const { db } = await postgresHandle(t)
  const spread = defineQueries(
    'spread',
    (db, { users }) => ({ add: (row: Params<NewUser>) => db.insert(users).values({ ...row }).returning() })
  )
  t.throws(() => spread.on(db), { message: /name each of them/ })
  const deep = defineQueries(
    'deep',
    (db, { users }) => ({
      all: () => db.select({ a: { b: { id: users.id } } as unknown as typeof users.id }).from(users)
    })
  )
  t.throws(() => deep.on(db), { message: /one level deep/ })
})

t.test('relational queries keep their own mapping', async (t) => {
  const { db } = await postgresHandle(t)
  await fill(db)
  const relational = defineQueries('relational', (db) => ({
    withPosts: () =>
      db.query.users.findMany({
        columns: { id: true },
        with: { posts: { columns: { id: true } } },
        orderBy: (user, { asc }) => [asc(user.id)]
      })
  }))
  const rows = await relational.on(db).withPosts()
  t.equal(rows.length, 3)
  t.strictSame(rows[0]?.posts.map(({ id }) => id).sort(), ['post0', 'post1', 'post2'])
})

t.test('relational queries have the instants of nested rows, whatever the year', async (t) => {
  const { db } = await postgresHandle(t)
  await fill(db)
  for (const at of ['2025-01-31T12:00:00.120Z', '0050-03-01T00:00:00.000Z', '0001-01-01T00:00:00.000Z']) {
    await db.execute(sql`update posts set created_at = ${at}`)
    const [user] = await db.query.users.findMany({ with: { posts: true }, limit: 1 })
    t.strictSame(user?.posts.map((post) => post.created_at.toISOString()), [at, at, at])
  }
})

t.test('a plan that a migration made stale is sent again under another name', async (t) => {
  const { db, sent, pool } = await postgresHandle(t)
  const stale = defineQueries(
    'stale',
    (db, { users }) => ({ names: () => db.select({ name: users.name }).from(users) })
  )
  await stale.on(db).names()
  await pool.query('alter table users alter column name type varchar(300)')
  await stale.on(db).names()
  t.strictSame(sent.filter(({ name }) => name !== undefined).map(({ name }) => name), [
    'stale_names',
    'stale_names',
    'stale_names#2'
  ])

  await pool.query('alter table users alter column name type text')
  await t.rejects(
    db.transaction(async (tx) => {
      await stale.on(tx).names()
    }),
    { code: '0A000' },
    'inside a transaction the whole of it must run again'
  )
  await db.transaction(async (tx) => {
    await stale.on(tx).names()
  })
  t.equal(sent.findLast(({ name }) => name !== undefined)?.name, 'stale_names#3')
})

t.test('an error says which constraint was violated', async (t) => {
  for (const { kind, db } of await handles(t)) {
    await fill(db)
    const bad = defineQueries('bad', (db, { users, orders, orderItems }) => ({
      user: ({ email, name }: Params<NewUser>) => db.insert(users).values({ email, name }),
      order: ({ user_id }: Params<{ user_id: number }>) => db.insert(orders).values({ user_id, total: '0.00' }),
      item: ({ quantity }: Params<{ quantity: number }>) =>
        db.insert(orderItems).values({ order_id: 1, product: 'p', quantity, unit_price: '1.00' }),
      delete: ({ id }: Params<{ id: number }>) => db.delete(users).where(eq(users.id, id))
    })).on(db)
    t.equal(await violated(bad.user({ email: '1@example.com', name: 'n' })), 'users_email_key', kind)
    t.equal(await violated(bad.user({ email: 'new@example.com', name: '' })), 'users_name_check', kind)
    t.equal(await violated(bad.order({ user_id: 99 })), 'orders_user_id_fkey', kind)
    t.equal(await violated(bad.item({ quantity: 10_001 })), 'order_items_quantity_check', kind)
    t.equal(await violated(bad.delete({ id: 1 })), 'orders_user_id_fkey on delete', kind)
  }
})
