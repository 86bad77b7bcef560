// Members live in PostgreSQL; MongoDB has a copy of them that follows each commit.
import Fastify from 'fastify'
import { MongoClient } from 'mongodb'
import pg from 'pg'
import outbox, { outboxSql, postgresStore, projectToMongo } from 'fastify-outbox'
import transaction from 'fastify-transaction'

const app = Fastify()
const pool = new pg.Pool({ connectionString: process.env.DATABASE_URL })
const relayPool = new pg.Pool({ connectionString: process.env.DATABASE_URL, query_timeout: 20_000 })
const client = await new MongoClient(process.env.MONGODB_URL).connect()
const copies = client.db(process.env.MONGODB_DATABASE ?? 'members').collection('member')
for (const each of [pool, relayPool]) each.on('error', (error) => app.log.warn(error))
app.addHook('onClose', () => Promise.all([pool.end(), relayPool.end(), client.close()]))
await pool.query(`create table if not exists member (id serial primary key, email text not null); ${outboxSql('postgres')}`)
await app.register(transaction, { pool })
await app.register(outbox, { store: postgresStore(relayPool) })

app.outbox.on('members', projectToMongo({
  collection: () => copies,
  id: ({ payload }) => payload.id,
  document: ({ payload }) => payload.deleted ? null : { email: payload.email }
}))

app.post('/members', { config: { transaction: { crossStore: 'outbox' } } }, async function addMember (request, reply) {
  const { email } = request.body
  const { rows: [member] } = await request.transaction.query('insert into member (email) values ($1) returning id, email', [email])
  await app.outbox.enqueue(request.transaction, { topic: 'members', key: String(member.id), payload: member })
  return reply.code(email === '' ? 422 : 201).send(member) // 422: neither row nor event
})

app.get('/copies', async () => await copies.find({ _deleted: { $exists: false } }, { projection: { _v: 0 } }).toArray())

console.log(await app.listen({ port: Number(process.env.PORT ?? 3000) }))
