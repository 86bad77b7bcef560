import type { FastifyRequest } from 'fastify'
import pg from 'pg'
import type { Design } from '../types.ts'

const clientKey = Symbol('client')

interface WithClient { [clientKey]: pg.PoolClient | null }

/** What is mostly written by hand: BEGIN in a preHandler hook, COMMIT or ROLLBACK by status in an onSend hook. */
export const { name, register, route, query }: Design = {
  name: 'plain hooks',
  async register (app, config) {
    const pool = new pg.Pool(config)
    app.decorateRequest(clientKey, null)
    app.addHook('preHandler', async (request) => {
      const { transaction } = request.routeOptions.config
      if (typeof transaction !== 'object') return
      const client = await pool.connect()
      Object.assign(request, { [clientKey]: client })
      await client.query(transaction.isolationLevel === undefined ? 'BEGIN' : `BEGIN ISOLATION LEVEL ${transaction.isolationLevel}`)
    })
    app.addHook('onSend', async (request, reply, payload) => {
      const own = request as FastifyRequest & WithClient
      const client = own[clientKey]
      if (client === null) return payload
      own[clientKey] = null
      try {
        await client.query(reply.statusCode < 400 ? 'COMMIT' : 'ROLLBACK')
      } finally {
        client.release()
      }
      return payload
    })
    return await Promise.resolve(pool)
  },
  route: ({ isolationLevel }) => ({ config: { transaction: isolationLevel === undefined ? {} : { isolationLevel } } }),
  query: async (request, text, values) => {
    const client = (request as FastifyRequest & WithClient)[clientKey]
    if (client === null) throw new Error('no transaction')
    return await client.query(text, values)
  }
}
