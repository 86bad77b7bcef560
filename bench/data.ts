import { Long, MongoClient, ObjectId } from 'mongodb'
import pg from 'pg'
import type { Size } from './routes.ts'

const content = 'Lorem ipsum dolor sit amet, consectetur adipiscing elit. '.repeat(6)
const newest = Date.UTC(2025, 0, 1)

/**
 * Fills both databases with users, posts and their projections; the service must not be running. Returns ids of posts.
 */
export async function fill (databaseUrl: string, mongoUrl: string, database: string, size: Size): Promise<string[]> {
  await fillUsers(databaseUrl, size)
  return await fillPosts(databaseUrl, mongoUrl, database, size)
}

async function fillUsers (databaseUrl: string, { users }: Size): Promise<void> {
  await withSql(databaseUrl, async (client) => {
    await client.query('truncate users, orders, order_items, posts, outbox restart identity cascade')
    await client.query(
      `insert into users (email, name) select 'user-' || n || '@bench.example', 'User ' || n from generate_series(1, $1::int) n`,
      [users]
    )
    // Sessions keep the plan of their first foreign key check, and on an analyzed empty table that is a sequential
    // scan.
    await client.query(
      'insert into orders (user_id, total) select 1 + n % $1::int, 1 from generate_series(1, 5000) n',
      [users]
    )
    await client.query(
      "insert into order_items (order_id, product, quantity, unit_price) select id, 'Pen', 1, 1 from orders"
    )
    await client.query('delete from outbox')
  })
}

const BATCH = 20_000

async function fillPosts (databaseUrl: string, mongoUrl: string, database: string, size: Size): Promise<string[]> {
  const first: string[] = []
  const client = await new MongoClient(mongoUrl).connect()
  try {
    const db = client.db(database)
    await db.collection('posts').deleteMany({})
    await db.collection('users').deleteMany({})
    await withSql(databaseUrl, async (sql) => {
      for (let from = 0; from < size.posts; from += BATCH) {
        const documents = makePosts(from, Math.min(BATCH, size.posts - from), size)
        await Promise.all([db.collection('posts').insertMany(documents), copyPosts(sql, documents)])
        if (from === 0) first.push(...documents.slice(0, 1000).map(({ _id }) => _id.toHexString()))
      }
      await sql.query('analyze')
    })
    for (let from = 0; from < size.users; from += BATCH) {
      const users = Array.from({ length: Math.min(BATCH, size.users - from) }, (_, n) => toUserCopy(from + n + 1))
      await db.collection<{ _id: number }>('users').insertMany(users)
    }
  } finally {
    await client.close()
  }
  return first
}

function makePosts (from: number, length: number, { users, categories }: Size) {
  return Array.from({ length }, (_, at) => {
    const n = from + at
    const time = new Date(newest - n * 60_000)
    return {
      _id: new ObjectId(),
      title: `Post ${n}`,
      content,
      category: `category-${1 + n % categories}`,
      author_id: 1 + n % users,
      created_at: time,
      updated_at: time
    }
  })
}

function toUserCopy (id: number) {
  return { _id: id, name: `User ${id}`, email: `user-${id}@bench.example`, _v: Long.fromNumber(id) }
}

async function copyPosts (sql: pg.Client, documents: ReturnType<typeof makePosts>): Promise<void> {
  await sql.query(
    `insert into posts (id, author_id, title, category, content_length, created_at)
    select * from unnest($1::text[], $2::int[], $3::text[], $4::text[], $5::int[], $6::timestamptz[])`,
    [
      documents.map(({ _id }) => _id.toHexString()),
      documents.map((post) => post.author_id),
      documents.map(({ title }) => title),
      documents.map(({ category }) => category),
      documents.map(() => content.length),
      documents.map((post) => post.created_at)
    ]
  )
}

async function withSql (url: string, work: (client: pg.Client) => Promise<void>): Promise<void> {
  const client = new pg.Client(url)
  await client.connect()
  try {
    await work(client)
  } finally {
    await client.end()
  }
}
