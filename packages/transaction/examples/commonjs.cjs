// The smallest app with require. Node loads the ES module for it.
const Fastify = require('fastify')
const pg = require('pg')
const { default: transaction, mapError } = require('fastify-transaction')

const app = Fastify()
const pool = new pg.Pool({ connectionString: process.env.DATABASE_URL })
app.addHook('onClose', () => pool.end())
app.addHook('onReady', async () => {
  await pool.query('create table if not exists note (id serial primary key, text text)')
})
app.register(transaction, { pool })
app.setErrorHandler(function answer (error, request, reply) {
  const mapped = mapError(error)
  return mapped === undefined ? reply.send(error) : reply.code(mapped.status).send({ message: mapped.type })
})

// Routes come after the plugin: in a plugin of their own, as here, or in app.after().
app.register(async function notes (app) {
  app.post('/notes', { config: { transaction: true } }, async function addNotes (request, reply) {
    const { first, second } = request.body
    await request.transaction.query('insert into note (text) values ($1)', [first])
    if (second === undefined) return reply.code(409).send({ message: 'A second note is missing' })
    await request.transaction.query('insert into note (text) values ($1)', [second])
    return reply.code(201).send({ stored: 2 })
  })
})

app.listen({ port: Number(process.env.PORT ?? 3000) }).then(console.log)
