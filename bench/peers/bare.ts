// The least one would write by hand: Fastify, pg with named statements, the MongoDB driver. Same routes, bodies and
// headers.
import helmet from '@fastify/helmet'
import Fastify from 'fastify'
import { MongoClient, ObjectId, type Document, type WithId } from 'mongodb'
import pg from 'pg'
import * as schemas from './bare-schemas.ts'

interface Page {
  limit: number
}
interface NewItem {
  product: string
  quantity: number
  unit_price: string
}

const app = Fastify({ logger: process.env['LOG_LEVEL'] === 'info' })
const pool = new pg.Pool({
  connectionString: process.env['DATABASE_URL'],
  max: Number(process.env['DATABASE_POOL_SIZE']),
  idleTimeoutMillis: 0
})
pool.on('error', () => {})
const client = new MongoClient(process.env['MONGODB_URL'] ?? '', { maxPoolSize: 20, w: 'majority', journal: true })
const db = client.db(process.env['MONGODB_DATABASE'])
const posts = db.collection('posts')

await app.register(helmet)

function withId ({ _id, ...document }: WithId<Document>): Document {
  return { id: _id.toHexString(), ...document }
}

async function inTransaction<Result> (work: (connection: pg.PoolClient) => Promise<Result>): Promise<Result> {
  const connection = await pool.connect()
  try {
    await connection.query('BEGIN')
    const result = await work(connection)
    await connection.query('COMMIT')
    return result
  } catch (error) {
    await connection.query('ROLLBACK')
    throw error
  } finally {
    connection.release()
  }
}

app.get<{ Params: { id: number } }>('/users/:id', { schema: schemas.getUser }, async function getUser (request, reply) {
  const { rows: [user] } = await pool.query({
    name: 'user',
    text: 'select id, email, name, created_at, updated_at from users where id = $1',
    values: [request.params.id]
  })
  return user ?? reply.code(404).send({ error: 'User not found' })
})

app.post<{ Body: { email: string; name: string } }>(
  '/users',
  { schema: schemas.createUser },
  async function createUser (request, reply) {
    const { email, name } = request.body
    const { rows: [user] } = await inTransaction((connection) =>
      connection.query<{ id: number }>({
        name: 'create_user',
        text: 'insert into users (email, name) values ($1, $2) returning id, email, name, created_at, updated_at',
        values: [email, name]
      })
    )
    reply.code(201).header('location', `/users/${user?.id}`)
    return user
  }
)

app.post<{ Body: { user_id: number; items: NewItem[] } }>(
  '/orders',
  { schema: schemas.createOrder },
  async function createOrder (request, reply) {
    const { user_id: userId, items } = request.body
    const cents = items.reduce((sum, item) => sum + item.quantity * Math.round(Number(item.unit_price) * 100), 0)
    const order = await inTransaction(async (connection) => {
      const { rows: [row] } = await connection.query<{ id: number }>({
        name: 'create_order',
        text: 'insert into orders (user_id, total) values ($1, $2) returning id, user_id, status, total, created_at',
        values: [userId, (cents / 100).toFixed(2)]
      })
      const places = items.map((_, index) => `($1, $${index * 3 + 2}, $${index * 3 + 3}, $${index * 3 + 4})`)
      const { rows } = await connection.query({
        name: `create_items_${items.length}`,
        text: `insert into order_items (order_id, product, quantity, unit_price) values ${
          places.join(', ')
        } returning id, product, quantity, unit_price`,
        values: [row?.id, ...items.flatMap((item) => [item.product, item.quantity, item.unit_price])]
      })
      return { ...row, items: rows }
    })
    reply.code(201).header('location', `/orders/${'id' in order ? String(order.id) : ''}`)
    return order
  }
)

app.get<{ Querystring: Page }>('/users', { schema: schemas.listUsers }, async function listUsers (request) {
  const { rows: users } = await pool.query<{ id: number; posts: Document[] }>({
    name: 'users',
    text: 'select id, email, name, created_at, updated_at from users order by id limit $1',
    values: [request.query.limit]
  })
  const byId = new Map(users.map((user) => [user.id, user]))
  for (const user of users) user.posts = []
  const { rows } = await pool.query<{ author_id: number }>({
    name: 'posts_of_users',
    text:
      'select id, title, category, author_id, created_at from posts where author_id = any($1) order by author_id, created_at desc, id desc',
    values: [[...byId.keys()]]
  })
  for (const post of rows) byId.get(post.author_id)?.posts.push(post)
  return users
})

app.get<{ Querystring: Page }>(
  '/users/summary',
  { schema: schemas.listSummaries },
  async function listSummaries (request) {
    const documents = await db.collection('users').aggregate([
      { $match: { _deleted: { $exists: false } } },
      { $sort: { _id: 1 } },
      { $limit: request.query.limit },
      {
        $lookup: {
          from: 'posts',
          localField: '_id',
          foreignField: 'author_id',
          pipeline: [{ $count: 'n' }],
          as: 'posts'
        }
      },
      { $project: { name: 1, email: 1, post_count: { $ifNull: [{ $first: '$posts.n' }, 0] } } }
    ]).toArray()
    return documents.map(({ _id, ...summary }) => ({ id: Number(_id), ...summary }))
  }
)

app.get<{ Querystring: Page }>(
  '/user-analytics',
  { schema: schemas.listAnalytics },
  async function listAnalytics (request) {
    const { rows } = await pool.query({
      name: 'analytics',
      text: `select u.name, count(p.id)::int as post_count, avg(p.content_length)::float8 as avg_content_length
      from users u left join posts p on p.author_id = u.id group by u.id, u.name order by post_count desc, u.id limit $1`,
      values: [request.query.limit]
    })
    return rows
  }
)

app.get<{ Querystring: Page }>(
  '/posts/summaries',
  { schema: schemas.listPostSummaries },
  async function listPostSummaries (request) {
    const projection = { title: 1, category: 1, author_id: 1, created_at: 1 }
    const documents = await posts.find({}, {
      projection,
      sort: { created_at: -1, _id: -1 },
      limit: request.query.limit
    }).toArray()
    return documents.map(withId)
  }
)

app.get<{ Params: { category: string }; Querystring: Page }>('/posts/by-category/:category', {
  schema: schemas.listPosts
}, async function listPostsByCategory (request) {
  const documents = await posts.find({ category: request.params.category }, {
    sort: { created_at: -1, _id: -1 },
    limit: request.query.limit
  }).toArray()
  return documents.map(withId)
})

app.get<{ Params: { id: string } }>('/posts/:id', { schema: schemas.getPost }, async function getPost (request, reply) {
  const document = await posts.findOne({ _id: new ObjectId(request.params.id) })
  return document === null ? reply.code(404).send({ error: 'Post not found' }) : withId(document)
})

app.addHook('onClose', async function closeDatabases () {
  await pool.end()
  await client.close()
})
process.once('SIGTERM', () => {
  app.close().catch(() => {})
})
await app.listen({ host: '127.0.0.1', port: Number(process.env['PORT']) })
