import type { FastifyInstance, preHandlerAsyncHookHandler } from 'fastify'
import t from 'tap'
import type { App } from '../../app.ts'
import { outsideTransaction } from 'fastify-transaction'
import { createThings } from '../fixture/tables.ts'
import { build } from '../helper.ts'

/** Takes the only stored answer away; what is returned stores it again, as the request would whose answer it is. */
async function takeAnswer (app: App): Promise<() => Promise<unknown>> {
  const { rows: [row] } = await app.pg.query<Record<string, unknown>>('DELETE FROM idempotency_keys RETURNING *')
  const columns = Object.keys(row ?? {})
  const insert = `INSERT INTO idempotency_keys (${columns.join()}) VALUES (${
    columns.map((_, at) => `$${at + 1}`).join()
  })`
  return async () =>
    await app.pg.query(
      insert,
      columns.map((column) => column === 'headers' ? JSON.stringify(row?.[column]) : row?.[column])
    )
}

/** Does something when the next transaction asks for its connection. */
function beforeNextCheckout ({ pg: { pool } }: FastifyInstance, work: () => Promise<unknown>): void {
  const { connect } = pool
  async function connectLater () {
    Object.assign(pool, { connect })
    await work()
    return await pool.connect()
  }
  Object.assign(pool, { connect: connectLater })
}

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
      await createThings(app)
      app.post('/notes', { preHandler: storeBehindTheLock }, async (request, reply) => {
        await request.transaction.query("INSERT INTO things (name) VALUES ('Ada')", [])
        reply.code(201)
        return { stored: true }
      })
    }
  })
  const send = async () =>
    await app.inject({ method: 'POST', url: '/notes', payload: {}, headers: { 'idempotency-key': 'raced' } })
  const first = await send()
  t.equal(first.statusCode, 201)
  rival.store = await takeAnswer(app)
  const again = await send()
  t.match(again, { statusCode: 201, body: first.body, headers: { 'idempotency-replayed': 'true' } })
})

t.test('an answer that is stored between two attempts of a handler is given to the second one', async (t) => {
  const rival: { store?: () => Promise<unknown> } = {}
  const app = await build(t, {
    plugins: async (app) => {
      await createThings(app)
      app.post('/notes', { config: { transaction: { retries: 1 } } }, async (request, reply) => {
        await request.transaction.query("INSERT INTO things (name) VALUES ('Ada')", [])
        if (rival.store !== undefined) {
          beforeNextCheckout(app, rival.store)
          throw Object.assign(new Error('conflict'), { code: '40001', severity: 'ERROR' })
        }
        reply.code(201)
        return { stored: true }
      })
    }
  })
  const send = async () =>
    await app.inject({ method: 'POST', url: '/notes', payload: {}, headers: { 'idempotency-key': 'raced' } })
  const first = await send()
  rival.store = await takeAnswer(app)
  await app.pg.query('DELETE FROM things')
  t.match(await send(), { statusCode: 201, body: first.body, headers: { 'idempotency-replayed': 'true' } })
  t.equal((await app.pg.query('SELECT 1 FROM things')).rowCount, 0, 'nothing was done again')
})
