// request.db is Kysely on the request's transaction; on a route without one it is Kysely on the pool.
import Fastify from 'fastify'
import pg from 'pg'
import {
  CompiledQuery,
  Kysely,
  PostgresAdapter,
  PostgresDialect,
  PostgresIntrospector,
  PostgresQueryCompiler,
  type DatabaseConnection,
  type Dialect,
  type Generated
} from 'kysely'
import transaction, { type SqlClient, type SqlHandles } from 'fastify-transaction'

interface Tables {
  note: { id: Generated<number>; text: string }
}

declare module 'fastify-transaction' {
  interface TransactionTypes {
    db: Kysely<Tables>
  }
}

/** Kysely on the client of a transaction. It cannot begin one of its own: it is in one. */
function dialectOn (client: SqlClient): Dialect {
  const connection: DatabaseConnection = {
    async executeQuery<Row> ({ sql, parameters }: CompiledQuery) {
      const { command, rowCount, rows } = await client.query(sql, [...parameters])
      const isWrite = ['INSERT', 'UPDATE', 'DELETE', 'MERGE'].includes(command)
      return { rows: rows as Row[], ...(isWrite && { numAffectedRows: BigInt(rowCount ?? 0) }) }
    },
    streamQuery () {
      throw new Error('Streams need a route with stream: true and request.transaction.query')
    }
  }
  const refuse = async (): Promise<void> => {
    throw new Error('request.db is in the transaction of its request already: leave .transaction() out')
  }
  return {
    createAdapter: () => new PostgresAdapter(),
    createQueryCompiler: () => new PostgresQueryCompiler(),
    createIntrospector: (db) => new PostgresIntrospector(db),
    createDriver: () => ({
      init: async () => {},
      acquireConnection: async () => connection,
      releaseConnection: async () => {},
      beginTransaction: refuse,
      commitTransaction: refuse,
      rollbackTransaction: refuse,
      destroy: async () => {}
    })
  }
}

const pool = new pg.Pool({ connectionString: process.env['DATABASE_URL'] })
const db: SqlHandles<Kysely<Tables>> = {
  autocommit: new Kysely<Tables>({ dialect: new PostgresDialect({ pool }) }),
  bind: (client) => new Kysely<Tables>({ dialect: dialectOn(client) })
}

const app = Fastify()
app.addHook('onClose', () => pool.end())
await pool.query('create table if not exists note (id serial primary key, text text)')
await app.register(transaction, { pool, db, methods: ['POST'] })

app.post<{ Body: { first: string; second?: string } }>('/notes', async function addNotes (request, reply) {
  const { first, second } = request.body
  await request.db.insertInto('note').values({ text: first }).execute()
  if (second === undefined) return await reply.code(409).send({ message: 'A second note is missing' })
  const { numInsertedOrUpdatedRows } = await request.db.insertInto('note').values({ text: second }).executeTakeFirst()
  return await reply.code(201).send({ stored: 1 + Number(numInsertedOrUpdatedRows) })
})

app.get('/notes', async (request) => await request.db.selectFrom('note').select('text').orderBy('id').execute())

console.log(await app.listen({ port: Number(process.env['PORT'] ?? 3000) }))
