import type { FastifyRequest } from 'fastify'
import transaction from 'fastify-transaction'
import type { Handle, SqlHandles } from 'fastify-transaction'
import type { System } from '../system.ts'

interface Queries {
  query: (text: string, values?: unknown[]) => Promise<unknown>
}

/** `request.db`: the pool, or the transaction's client. */
function handles (pool: Queries): SqlHandles<Handle> {
  return { autocommit: pool, bind: (client: Queries) => client } as unknown as SqlHandles<Handle>
}

/** The plugin as its README shows it; the default options, except what the scenario wishes for. */
export const system: System = {
  name: 'this plugin',
  register: (app, pool, { resetSession = false }) =>
    app.register(transaction, {
      pool,
      db: handles(pool),
      ...(resetSession && { resetSession })
    }),
  config: { config: { transaction: true } },
  retried: { config: { transaction: { isolationLevel: 'serializable', retries: 5 } } },
  // What the compiler refuses is written here on purpose: settings that are a promise.
  tenant: (find) => ({
    config: {
      transaction: { settings: (async (request: FastifyRequest) => ({ 'app.tenant': await find(request) })) as never }
    }
  }),
  both: {
    register: (app, pool, { client, db }) =>
      app.register(transaction, { pool, db: handles(pool), mongo: { client, db } }),
    config: { config: { transaction: { crossStore: 'two-phase' } } },
    insert: (request, _id) => request.mongo.collection<{ _id: number }>('item').insertOne({ _id })
  },
  handle: (request) => request.db as unknown as Queries,
  commit: (request) => request.transaction.commit(),
  query: (request, text, values = []) => request.transaction.query(text, values)
}
