// request.db is TypeORM's EntityManager on the request's transaction; on a route without one it is that of the pool.
import 'reflect-metadata'
import Fastify from 'fastify'
import pg from 'pg'
import { DataSource, EntitySchema, type EntityManager } from 'typeorm'
import transaction, { type SqlClient, type SqlHandles } from 'fastify-transaction'

interface Note {
  id: number
  text: string
}

declare module 'fastify-transaction' {
  interface TransactionTypes {
    db: EntityManager
  }
}

const NoteEntity = new EntitySchema<Note>({
  name: 'note',
  columns: { id: { type: 'int', primary: true, generated: 'increment' }, text: { type: 'text' } }
})
const source = new DataSource({ type: 'postgres', url: process.env['DATABASE_URL'] ?? '', entities: [NoteEntity] })

/**
 * A query runner of TypeORM takes a connection when it has none, and begins a transaction when it is in none. This one
 * has both, one deep, so `manager.transaction(…)` is a savepoint. It is never released: neither is its own.
 */
function managerOn (client: SqlClient): EntityManager {
  const runner = Object.assign(source.createQueryRunner(), {
    databaseConnection: { query: (text: string, values?: unknown[]) => client.query(text, values) },
    isTransactionActive: true,
    transactionDepth: 1
  })
  return runner.manager
}

const app = Fastify()
const pool = new pg.Pool({ connectionString: process.env['DATABASE_URL'] })
app.addHook('onClose', async () => {
  await Promise.all([pool.end(), source.destroy()])
})
await pool.query('create table if not exists note (id serial primary key, text text)')
await source.initialize()
const db: SqlHandles<EntityManager> = { autocommit: source.manager, bind: managerOn }
await app.register(transaction, { pool, db, methods: ['POST'] })

app.post<{ Body: { first: string; second?: string } }>('/notes', async function addNotes (request, reply) {
  const { first, second } = request.body
  const notes = request.db.getRepository(NoteEntity)
  await notes.save({ text: first })
  if (second === undefined) return await reply.code(409).send({ message: 'A second note is missing' })
  // A savepoint that is rolled back, and one that stays.
  await request.db.transaction(async (inner) => {
    await inner.getRepository(NoteEntity).save({ text: 'undone' })
    throw new Error('not this one')
  }).catch(() => {})
  await request.db.transaction((inner) => inner.getRepository(NoteEntity).save({ text: second }))
  return await reply.code(201).send({ stored: await notes.count() })
})

app.get(
  '/notes',
  async (request) =>
    await request.db.createQueryBuilder(NoteEntity, 'note').select('note.text', 'text').orderBy('note.id').getRawMany()
)

console.log(await app.listen({ port: Number(process.env['PORT'] ?? 3000) }))
