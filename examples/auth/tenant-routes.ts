import type { FastifyInstance, FastifyRequest, RouteOptions } from 'fastify'
import { createAuthenticator, getCaller, getScope } from './caller.ts'

/** The role that the statements of tenants run as: row-level security holds for it, and it owns nothing. */
export const TENANT_ROLE = 'tandem_tenant'

/**
 * Adds routes for tenants: authenticated; their SQL transactions run under the tenant's role and name, which row-level
 * security asks for; idempotency keys and rate limits belong to the caller. A route cannot leave any of it out.
 * @param routes as `app.route` takes them; `config.transaction.store` says which store they use
 */
export function addTenantRoutes (app: FastifyInstance, routes: RouteOptions[]): void {
  const authenticate = createAuthenticator(app)
  for (const route of routes) {
    app.route({
      ...route,
      onRequest: [authenticate, ...[route.onRequest ?? []].flat()],
      config: { ...route.config, ...getConfig(route) }
    })
  }
}

function getConfig ({ method, config }: RouteOptions): RouteOptions['config'] {
  const isRead = [method].flat().every((name) => name === 'GET')
  const declared = typeof config?.transaction === 'object' ? config.transaction : {}
  const transaction = declared.store === 'mongo' ? (isRead ? false : declared) : {
    ...declared,
    ...(isRead ? { accessMode: 'read only' as const } : {}),
    settings: (request: FastifyRequest) => ({ role: TENANT_ROLE, 'app.tenant': getCaller(request).tenant })
  }
  return {
    transaction,
    ...(isRead ? {} : { idempotency: { scope: getScope } }),
    // Counted when the caller is known. Without RATE_LIMIT_MAX nothing is.
    rateLimitKey: getScope
  }
}
