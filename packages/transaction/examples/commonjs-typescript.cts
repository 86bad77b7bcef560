// TypeScript that compiles to CommonJS: types and values come from the same module.
import Fastify from 'fastify'
import pg from 'pg'
import transaction, { type RouteTransactionOptions } from 'fastify-transaction'

interface Notes { first: string, second?: string }

const app = Fastify()
const pool = new pg.Pool({ connectionString: process.env['DATABASE_URL'] })
const options = { isolationLevel: 'serializable', retries: 3 } satisfies RouteTransactionOptions
app.addHook('onClose', () => pool.end())
app.addHook('onReady', async () => {
  await pool.query('create table if not exists note (id serial primary key, text text)')
})
app.register(transaction, { pool })

app.register(async function notes (app) {
  app.post<{ Body: Notes }>('/notes', { config: { transaction: options } }, async function addNotes (request, reply) {
    const { first, second } = request.body
    await request.transaction.query('insert into note (text) values ($1)', [first])
    if (second === undefined) return await reply.code(409).send({ message: 'A second note is missing' })
    await request.transaction.query('insert into note (text) values ($1)', [second])
    return await reply.code(201).send({ stored: 2 })
  })
})

app.listen({ port: Number(process.env['PORT'] ?? 3000) }).then(console.log, console.error)
