// The smallest app with require. Node loads the ES module for it.
const Fastify = require('fastify')
const pg = require('pg')
const { default: outbox, outboxSql, postgresStore } = require('fastify-outbox')

const app = Fastify()
const pool = new pg.Pool({ connectionString: process.env.DATABASE_URL })
const relayPool = new pg.Pool({ connectionString: process.env.DATABASE_URL, query_timeout: 20_000 })
for (const each of [pool, relayPool]) each.on('error', (error) => app.log.warn(error))
app.addHook('onClose', () => Promise.all([pool.end(), relayPool.end()]))
app.register(async () => {
  await pool.query(`create table if not exists member (id serial primary key, email text not null); ${outboxSql('postgres')}`)
})
app.register(outbox, { store: postgresStore(relayPool) })

// Handlers and routes come after the plugin: in a plugin of their own, as here, or in app.after().
app.register(async function members (app) {
  const mails = []
  app.outbox.on('welcome', async function sendMails (events) {
    for (const { key, payload } of events) mails.push({ to: payload.email, idempotencyKey: key })
  })

  app.post('/members', async function addMember (request, reply) {
    const client = await pool.connect()
    try {
      await client.query('BEGIN')
      const { email } = request.body
      const { rows: [member] } = await client.query('insert into member (email) values ($1) returning id', [email])
      await app.outbox.enqueue(client, { topic: 'welcome', key: String(member.id), payload: { email } })
      await client.query('COMMIT')
      app.outbox.wake('welcome')
      return reply.code(201).send(member)
    } catch (error) {
      await client.query('ROLLBACK')
      throw error
    } finally {
      client.release()
    }
  })

  app.get('/mails', async () => mails)
})

app.listen({ port: Number(process.env.PORT ?? 3000) }).then(console.log)
