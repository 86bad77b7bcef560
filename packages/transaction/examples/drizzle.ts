// request.db is a Drizzle handle on the request's transaction.
import { drizzle } from 'drizzle-orm/node-postgres'
import { pgTable, serial, text } from 'drizzle-orm/pg-core'
import Fastify from 'fastify'
import pg from 'pg'
import transaction from 'fastify-transaction'
import { drizzleHandles, type DrizzleHandle } from 'fastify-transaction/drizzle'

const note = pgTable('note', { id: serial('id').primaryKey(), text: text('text') })
const schema = { note }

declare module 'fastify-transaction' {
  interface TransactionTypes {
    db: DrizzleHandle<typeof schema>
  }
}

interface Notes {
  first: string
  second?: string
}

const app = Fastify()
const pool = new pg.Pool({ connectionString: process.env['DATABASE_URL'] })
app.addHook('onClose', () => pool.end())
await pool.query('create table if not exists note (id serial primary key, text text)')
await app.register(transaction, { pool, db: drizzleHandles(drizzle(pool, { schema })), methods: ['POST'] })

app.post<{ Body: Notes }>('/notes', async function addNotes (request, reply) {
  const { first, second } = request.body
  await request.db.insert(note).values({ text: first })
  if (second === undefined) return await reply.code(409).send({ message: 'A second note is missing' })
  // A savepoint: what fails inside of it is taken back alone.
  await request.db.transaction(async (savepoint) => {
    await savepoint.insert(note).values({ text: second })
  })
  return await reply.code(201).send({ stored: 2 })
})

app.get(
  '/notes',
  async (request) => await request.db.query.note.findMany({ orderBy: note.id, columns: { text: true } })
)

console.log(await app.listen({ port: Number(process.env['PORT'] ?? 3000) }))
