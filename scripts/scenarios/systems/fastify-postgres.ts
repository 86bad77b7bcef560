import fastifyMongodb from '@fastify/mongodb'
import fastifyPostgres from '@fastify/postgres'
import type { FastifyInstance, FastifyRequest, RouteOptions } from 'fastify'
import pg from 'pg'
import type { MongoStore, System } from '../system.ts'

const config: Partial<RouteOptions> & { pg: { transact: boolean } } = { pg: { transact: true } }

interface WithClient extends FastifyRequest {
  pg: pg.PoolClient
}

function registerPostgres (app: FastifyInstance, pool: pg.Pool) {
  function GivenPool () {
    return pool
  }
  return app.register(fastifyPostgres, { pg: Object.assign({}, pg, { Pool: GivenPool }) as unknown as typeof pg })
}

/** `transact` of @fastify/postgres, on the pool that is watched instead of one that it would make itself with the same options. */
export const system: System = {
  name: '@fastify/postgres transact',
  register: registerPostgres,
  config,
  // Its MongoDB has no transaction for a request.
  both: {
    async register (app, pool, { client, db }) {
      await registerPostgres(app, pool)
      await app.register(fastifyMongodb, { client, database: db.databaseName })
    },
    config,
    insert: (request, _id) => {
      const { mongo } = request.server as unknown as { mongo: MongoStore }
      return mongo.db.collection<{ _id: number }>('item').insertOne({ _id })
    }
  },
  handle: (request) =>
    (request as Partial<WithClient> & FastifyRequest).pg ?? (request.server as unknown as { pg: pg.Pool }).pg,
  query: (request, text, values = []) => (request as WithClient).pg.query(text, values)
}
