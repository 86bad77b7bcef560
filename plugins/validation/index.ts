import type { FastifyInstance, RouteOptions } from 'fastify'
import fp from 'fastify-plugin'
import { getBodyLimit } from './body-limit.ts'
import { refuseCodings } from './codings.ts'
import { parseJsonStrictly } from './json.ts'
import { closeQuery } from './query.ts'
import { refuseMalformedUrl } from './url.ts'

/**
 * What comes in is taken as it was sent or refused, before any work is spent on it: UTF-8 only, no codings, no
 * parameter that the route does not know, no body longer than its schema admits.
 */
export default fp(async function validation (app) {
  parseJsonStrictly(app)
  app.addHook('onRequest', refuseMalformedUrl)
  app.addHook('onRequest', refuseCodings)
  app.addHook('onRoute', function limitInput (route) {
    closeQuery(route)
    limitBody(app, route)
  })
}, { name: 'validation', dependencies: ['errors', 'schemas'], fastify: '5.x' })

function limitBody (app: FastifyInstance, route: RouteOptions): void {
  const body: unknown = route.schema?.body
  if (typeof body !== 'object' || body === null || route.bodyLimit !== undefined) return
  const limit = getBodyLimit(body, (id) => app.getSchema(id) as object | undefined)
  if (limit !== undefined) route.bodyLimit = limit
}
