import jwt from '@fastify/jwt'
import type { FastifyInstance } from 'fastify'
import { getJwtOptions, type IssuerOptions, type KeyOptions } from './keys.ts'
import { mongoNotes, sqlNotes } from './notes.ts'
import { noteRoutes } from './routes.ts'
import { addTenantRoutes } from './tenant-routes.ts'

/**
 * Notes of tenants behind JSON Web Tokens: `/notes` in PostgreSQL, `/documents` in MongoDB. The tables and indexes of
 * `prepare` must be there.
 * @example await buildApp({ plugins: async (app) => { await app.register(auth, { secret, issuer, audience }) } })
 */
export default async function auth (app: FastifyInstance, options: KeyOptions & IssuerOptions): Promise<void> {
  app.decorateRequest('caller', null)
  await app.register(jwt, getJwtOptions(options))
  addTenantRoutes(app, [
    ...noteRoutes({ url: '/notes', store: 'sql', notes: sqlNotes }),
    ...noteRoutes({ url: '/documents', store: 'mongo', notes: mongoNotes })
  ])
}
