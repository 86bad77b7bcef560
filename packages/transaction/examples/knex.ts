// request.db is Knex on the request's transaction; on a route without one it is Knex on its own pool.
import Fastify from 'fastify'
import knexModule, { type Knex } from 'knex'
import pg from 'pg'
import transaction, { type SqlClient, type SqlHandles } from 'fastify-transaction'

interface Note {
  id: number
  text: string
}
type Callback = (error: unknown, result?: unknown) => void

/** What routes use of Knex. */
interface Tables {
  table: <Row extends object>(name: string) => Knex.QueryBuilder<Row>
  raw: (sql: string, bindings?: Knex.RawBinding[]) => Knex.Raw
}

declare module 'fastify-transaction' {
  interface TransactionTypes {
    db: Tables
  }
}

const knex = knexModule({ client: 'pg', connection: process.env['DATABASE_URL'], pool: { min: 0, max: 5 } })

/** Knex speaks to a connection by callbacks. */
function connectionOn (client: SqlClient): object {
  return {
    query ({ text, values }: { text: string; values: unknown[] }, callback: Callback) {
      client.query(text, values).then((result) => {
        callback(null, result)
      }, callback)
    }
  }
}

const db: SqlHandles<Tables> = {
  autocommit: { table: (name) => knex(name), raw: (sql, bindings = []) => knex.raw(sql, bindings) },
  bind (client) {
    const connection = connectionOn(client)
    return {
      table: <Row extends object>(name: string) => knex<Row>(name).connection(connection) as Knex.QueryBuilder<Row>,
      raw: (sql, bindings = []) => knex.raw(sql, bindings).connection(connection) as Knex.Raw
    }
  }
}

const app = Fastify()
const pool = new pg.Pool({ connectionString: process.env['DATABASE_URL'] })
app.addHook('onClose', async () => {
  await Promise.all([pool.end(), knex.destroy()])
})
await pool.query('create table if not exists note (id serial primary key, text text)')
await app.register(transaction, { pool, db, methods: ['POST'] })

app.post<{ Body: { first: string; second?: string } }>('/notes', async function addNotes (request, reply) {
  const { first, second } = request.body
  await request.db.table<Note>('note').insert({ text: first })
  if (second === undefined) return await reply.code(409).send({ message: 'A second note is missing' })
  await request.db.raw('insert into note (text) values (?)', [second])
  return await reply.code(201).send({ stored: 2 })
})

app.get('/notes', async (request) => await request.db.table<Note>('note').select('text').orderBy('id'))

console.log(await app.listen({ port: Number(process.env['PORT'] ?? 3000) }))
