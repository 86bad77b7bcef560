import type { preHandlerAsyncHookHandler } from 'fastify'
import t from 'tap'
import { outsideTransaction } from '../../plugins/transaction/index.ts'
import { build } from '../helper.ts'

t.test('an answer that is stored while its key is being locked is given to the repeat', async (t) => {
  const rival: { store?: () => Promise<unknown> } = {}
  const app = await build(t, {
    plugins: async (app) => {
      const storeBehindTheLock: preHandlerAsyncHookHandler = async ({ transaction }) => {
        const query = transaction.query.bind(transaction)
        const spied = async (text: string, values: unknown[]) => {
          const result = await query(text, values)
          if (text.includes('pg_try_advisory_xact_lock')) await outsideTransaction(async () => await rival.store?.())
          return result
        }
        Object.assign(transaction, { query: spied })
      }
      app.post('/notes', { preHandler: storeBehindTheLock }, async (request, reply) => {
        await request.transaction.query("INSERT INTO users (name, email) VALUES ('Ada', 'ada@example.com')", [])
        reply.code(201)
        return { stored: true }
      })
    }
  })
  const send = async () => await app.inject({ method: 'POST', url: '/notes', payload: {}, headers: { 'idempotency-key': 'raced' } })
  const first = await send()
  t.equal(first.statusCode, 201)
  const { rows: [row] } = await app.pg.query<Record<string, unknown>>('DELETE FROM idempotency_keys RETURNING *')
  const columns = Object.keys(row ?? {})
  const insert = `INSERT INTO idempotency_keys (${columns.join()}) VALUES (${columns.map((_, at) => `$${at + 1}`).join()})`
  rival.store = async () => await app.pg.query(insert, columns.map((column) => column === 'headers' ? JSON.stringify(row?.[column]) : row?.[column]))
  const again = await send()
  t.match(again, { statusCode: 201, body: first.body, headers: { 'idempotency-replayed': 'true' } })
})
