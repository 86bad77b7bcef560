// A proxied route with a row of its own: stored where the other server said 2xx or 3xx, and not where it refused.
import httpProxy from '@fastify/http-proxy'
import Fastify from 'fastify'
import pg from 'pg'
import transaction from 'fastify-transaction'

const app = Fastify()
const pool = new pg.Pool({ connectionString: process.env['DATABASE_URL'] })
app.addHook('onClose', () => pool.end())
await pool.query('create table if not exists note (id serial primary key, text text)')
// The transaction is open while the other server works, so it is given less time than that server takes at most.
await app.register(transaction, { pool, methods: ['POST'], defaults: { deadline: 5000 } })

await app.register(httpProxy, {
  upstream: process.env['UPSTREAM'] ?? 'http://127.0.0.1:4000',
  prefix: '/shop',
  // What the other server did is not taken back where COMMIT fails here: give it a key by which a repeat is recognised.
  async preHandler (request) {
    await request.transaction.query('insert into note (text) values ($1)', [`${request.method} ${request.url}`])
  }
})

console.log(await app.listen({ port: Number(process.env['PORT'] ?? 3000) }))
