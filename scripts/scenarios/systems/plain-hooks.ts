import type { FastifyRequest } from 'fastify'
import type { Pool, PoolClient } from 'pg'
import type { System } from '../system.ts'

interface WithClient extends FastifyRequest {
  client: PoolClient | null
}

/** BEGIN in preHandler, COMMIT or ROLLBACK by status in onSend: hooks as they are usually written. */
export const system: System = {
  name: 'plain hooks',
  register (app, pool) {
    app.decorate('pool', pool)
    app.decorateRequest('client', null)
    app.addHook('preHandler', async function begin (request) {
      const client = await pool.connect()
      Object.assign(request, { client })
      await client.query('BEGIN')
    })
    app.addHook('onSend', async function end (request, reply) {
      const { client } = request as WithClient
      if (client === null) return
      Object.assign(request, { client: null })
      try {
        await client.query(reply.statusCode < 400 ? 'COMMIT' : 'ROLLBACK')
      } finally {
        client.release()
      }
    })
  },
  handle: (request) => (request as WithClient).client ?? (request.server as unknown as { pool: Pool }).pool,
  async query (request, text, values = []) {
    const { client } = request as WithClient
    if (client === null) throw new Error('the transaction has ended')
    return await client.query(text, values)
  }
}
