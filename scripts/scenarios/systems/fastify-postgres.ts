import fastifyPostgres from '@fastify/postgres'
import type { FastifyRequest, RouteOptions } from 'fastify'
import pg from 'pg'
import type { System } from '../system.ts'

const config: Partial<RouteOptions> & { pg: { transact: boolean } } = { pg: { transact: true } }

interface WithClient extends FastifyRequest {
  pg: pg.PoolClient
}

/** `transact` of @fastify/postgres, on the pool that is watched instead of one that it would make itself with the same options. */
export const system: System = {
  name: '@fastify/postgres transact',
  register (app, pool) {
    function GivenPool () {
      return pool
    }
    return app.register(fastifyPostgres, { pg: Object.assign({}, pg, { Pool: GivenPool }) as unknown as typeof pg })
  },
  config,
  handle: (request) =>
    (request as Partial<WithClient> & FastifyRequest).pg ?? (request.server as unknown as { pg: pg.Pool }).pg,
  query: (request, text, values = []) => (request as WithClient).pg.query(text, values)
}
