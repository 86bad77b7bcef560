// GraphQL answers errors with 200, which would commit: a hook says that such a request is to be rolled back.
import Fastify, { type FastifyRequest } from 'fastify'
import mercurius from 'mercurius'
import pg from 'pg'
import transaction from 'fastify-transaction'

declare module 'mercurius' {
  interface MercuriusContext {
    request: FastifyRequest
  }
}

const app = Fastify()
const pool = new pg.Pool({ connectionString: process.env['DATABASE_URL'] })
app.addHook('onClose', () => pool.end())
await pool.query('create table if not exists note (id serial primary key, text text)')
// Before mercurius, whose routes get a transaction so: queries may come with GET.
await app.register(transaction, { pool, methods: ['GET', 'POST'] })

await app.register(mercurius, {
  schema: 'type Query { notes: [String!]! } type Mutation { addNote(text: String!): Boolean! }',
  context: (request) => ({ request }),
  resolvers: {
    Query: {
      async notes (_, __, { request }) {
        const { rows } = await request.transaction.query<{ text: string }>('select text from note order by id')
        return rows.map(({ text }) => text)
      }
    },
    Mutation: {
      async addNote (_, { text }, { request }) {
        await request.transaction.query('insert into note (text) values ($1)', [text])
        if (text === '') throw new Error('A note must say something')
        return true
      }
    }
  }
})

app.graphql.addHook('onResolution', async function rollBackErrors (execution, { request }) {
  if (execution.errors !== undefined && execution.errors.length > 0) request.transaction.setRollbackOnly()
})

console.log(await app.listen({ port: Number(process.env['PORT'] ?? 3000) }))
