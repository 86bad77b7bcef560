import fp from 'fastify-plugin'
import type { Database } from '../../drizzle/index.ts'
import { openPostgres } from './postgres.ts'

export type { Database } from '../../drizzle/index.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /** Drizzle in autocommit: each statement takes a connection of its own. Inside a transaction use `request.db`. */
    db: Database
  }
}

/** Decorates `app.db` for the engine `DATABASE_URL` names, and closes what it opened. */
export default fp(async function sql (app) {
  const url = app.config.DATABASE_URL
  if (url === undefined) throw new Error('DATABASE_URL is not set: set it, or let buildApp start the embedded PostgreSQL.')
  app.decorate('db', await openPostgres(app, url))
}, { name: 'sql', dependencies: ['config'], fastify: '5.x' })
