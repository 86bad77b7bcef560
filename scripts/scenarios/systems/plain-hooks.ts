import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { ClientSession } from 'mongodb'
import type { Pool, PoolClient } from 'pg'
import type { MongoStore, System } from '../system.ts'

interface WithClient extends FastifyRequest {
  client: PoolClient | null
  session?: ClientSession
}

/** BEGIN in preHandler, COMMIT or ROLLBACK by status in onSend: hooks as they are usually written. */
export const system: System = {
  name: 'plain hooks',
  register: (app, pool) => {
    addHooks(app, pool, {})
  },
  both: {
    register: addHooks,
    config: {},
    insert: (request, _id) => {
      const { session } = request as WithClient
      if (session === undefined) throw new Error('the transaction has ended')
      const { stores } = request.server as unknown as { stores: MongoStore }
      return stores.db.collection<{ _id: number }>('item').insertOne({ _id }, { session })
    }
  },
  handle: (request) => (request as WithClient).client ?? (request.server as unknown as { pool: Pool }).pool,
  async query (request, text, values = []) {
    const { client } = request as WithClient
    if (client === null) throw new Error('the transaction has ended')
    return await client.query(text, values)
  }
}

/** With MongoDB a session of it is beside the connection, and both are committed one after the other. */
function addHooks (app: FastifyInstance, pool: Pool, mongo: Partial<MongoStore>): void {
  app.decorate('stores', mongo)
  app.decorate('pool', pool)
  app.decorateRequest('client', null)
  app.addHook('preHandler', async function begin (request) {
    const client = await pool.connect()
    const session = mongo.client?.startSession()
    Object.assign(request, { client, session })
    session?.startTransaction()
    await client.query('BEGIN')
  })
  app.addHook('onSend', async function end (request, reply) {
    const { client, session } = request as WithClient
    if (client === null) return
    Object.assign(request, { client: null, session: undefined })
    try {
      await client.query(reply.statusCode < 400 ? 'COMMIT' : 'ROLLBACK')
      await (reply.statusCode < 400 ? session?.commitTransaction() : session?.abortTransaction())
    } finally {
      client.release()
      await session?.endSession()
    }
  })
}
