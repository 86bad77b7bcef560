// A handler says what its payloads are. GET /mails shows what it has sent.
import Fastify from 'fastify'
import pg from 'pg'
import outbox, { outboxSql, postgresStore } from 'fastify-outbox'

interface Welcome {
  email: string
}

const app = Fastify()
const pool = new pg.Pool({ connectionString: process.env['DATABASE_URL'] })
const relayPool = new pg.Pool({ connectionString: process.env['DATABASE_URL'], query_timeout: 20_000 })
for (const each of [pool, relayPool]) {
  each.on('error', (error) => {
    app.log.warn(error)
  })
}
app.addHook('onClose', () => Promise.all([pool.end(), relayPool.end()]))
await pool.query(
  `create table if not exists member (id serial primary key, email text not null); ${outboxSql('postgres')}`
)
await app.register(outbox, { store: postgresStore(relayPool) })

const mails: Array<{ to: string; idempotencyKey: string }> = []
app.outbox.on<Welcome>('welcome', async function sendMails (events) {
  for (const { key, payload } of events) mails.push({ to: payload.email, idempotencyKey: key })
})

app.post<{ Body: Welcome }>('/members', async function addMember (request, reply) {
  const client = await pool.connect()
  try {
    await client.query('BEGIN')
    const payload: Welcome = { email: request.body.email }
    const { rows: [member] } = await client.query<{ id: number }>(
      'insert into member (email) values ($1) returning id',
      [payload.email]
    )
    await app.outbox.enqueue(client, { topic: 'welcome', key: String(member?.id), payload })
    await client.query('COMMIT')
    app.outbox.wake('welcome')
    return await reply.code(201).send(member)
  } catch (error) {
    await client.query('ROLLBACK')
    throw error
  } finally {
    client.release()
  }
})

app.get('/mails', async () => mails)

console.log(await app.listen({ port: Number(process.env['PORT'] ?? 3000) }))
