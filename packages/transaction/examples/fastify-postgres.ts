// Beside @fastify/postgres: its pool, this plugin's transactions. What app.pg.query sends commits by itself, as before.
import fastifyPostgres from '@fastify/postgres'
import Fastify from 'fastify'
import transaction from 'fastify-transaction'

interface Notes {
  first: string
  second?: string
}

const app = Fastify()
await app.register(fastifyPostgres, { connectionString: process.env['DATABASE_URL'] ?? '' })
await app.pg.query('create table if not exists note (id serial primary key, text text)')
await app.register(transaction, { pool: app.pg.pool })

// It was: { pg: { transact: true } } and request.pg.query, with a throw for each answer that must not commit.
app.post<{ Body: Notes }>('/notes', { config: { transaction: true } }, async function addNotes (request, reply) {
  const { first, second } = request.body
  await request.transaction.query('insert into note (text) values ($1)', [first])
  if (second === undefined) return await reply.code(409).send({ message: 'A second note is missing' })
  await request.transaction.query('insert into note (text) values ($1)', [second])
  return await reply.code(201).send({ stored: 2 })
})

app.get('/notes', async function listNotes () {
  const { rows } = await app.pg.query<{ text: string }>('select text from note order by id')
  return rows
})

console.log(await app.listen({ port: Number(process.env['PORT'] ?? 3000) }))
