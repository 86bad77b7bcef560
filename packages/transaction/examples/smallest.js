// One route, one transaction: POST /notes stores two rows or none.
import Fastify from 'fastify'
import pg from 'pg'
import transaction from 'fastify-transaction'

const app = Fastify()
const pool = new pg.Pool({ connectionString: process.env.DATABASE_URL })
app.addHook('onClose', () => pool.end())
await pool.query('create table if not exists note (id serial primary key, text text)')
await app.register(transaction, { pool })

app.post('/notes', { config: { transaction: true } }, async function addNotes (request, reply) {
  const { first, second } = request.body
  await request.transaction.query('insert into note (text) values ($1)', [first])
  if (second === undefined) return reply.code(409).send({ message: 'A second note is missing' }) // takes the first one back
  await request.transaction.query('insert into note (text) values ($1)', [second])
  return reply.code(201).send({ stored: 2 })
})

console.log(await app.listen({ port: Number(process.env.PORT ?? 3000) }))
