import type { FastifyRequest, RouteShorthandOptions } from 'fastify'
import postgres from '@fastify/postgres'
import type pg from 'pg'
import type { Design } from '../types.ts'

/** @fastify/postgres with `transact: true`: it has neither isolation levels nor retries. */
export const { name, register, route, query }: Design = {
  name: '@fastify/postgres transact',
  async register (app, config) {
    await app.register(postgres, config)
    return app.pg.pool as unknown as pg.Pool
  },
  route: () => ({ pg: { transact: true } }) as RouteShorthandOptions,
  query: async (request, text, values) => {
    const { pg: client } = request as FastifyRequest & { pg: pg.PoolClient | null }
    if (client === null) throw new Error('no transaction')
    return await client.query(text, values)
  }
}
