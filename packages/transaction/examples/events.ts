// Events and sockets stay open for long: no transaction is open meanwhile.
import { Readable } from 'node:stream'
import websocket from '@fastify/websocket'
import Fastify from 'fastify'
import pg from 'pg'
import transaction from 'fastify-transaction'

const app = Fastify({ forceCloseConnections: true })
const pool = new pg.Pool({ connectionString: process.env['DATABASE_URL'] })
app.addHook('onClose', () => pool.end())
await pool.query('create table if not exists note (id serial primary key, text text)')
await app.register(transaction, { pool })
await app.register(websocket)

// Server-sent events: what is to be stored is committed before the first of them.
app.post<{ Body: { text: string } }>(
  '/notes',
  { config: { transaction: true } },
  async function addNote (request, reply) {
    const { text } = request.body
    await request.transaction.query('insert into note (text) values ($1)', [text])
    await request.transaction.commit()
    reply.header('content-type', 'text/event-stream')
    return Readable.from(progress(text))
  }
)

async function* progress (text: string): AsyncGenerator<string> {
  for (const step of ['stored', 'indexed']) yield `data: ${JSON.stringify({ text, step })}\n\n`
}

// A socket has no reply that could decide: each message has a transaction of its own.
app.get('/socket', { websocket: true }, function onSocket (socket) {
  socket.on('message', (message: Buffer) => {
    app.transaction(async (transaction) => {
      await transaction.query('insert into note (text) values ($1)', [message.toString()])
      if (message.length === 0) throw new Error('A note must say something')
    }).then(() => {
      socket.send('stored')
    }, () => {
      socket.send('not stored')
    })
  })
})

console.log(await app.listen({ port: Number(process.env['PORT'] ?? 3000) }))
