import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'

/** Who sent a request, by its verified token. */
export interface Caller {
  /** The claim `sub`. */
  id: string
  /** The claim `tenant`: whose rows and documents the caller may see. */
  tenant: string
  /** The claim `role`: a reader may not change anything. */
  role: 'reader' | 'writer'
}

declare module 'fastify' {
  interface FastifyRequest {
    /** The caller of a route of `addTenantRoutes`; null before its token is verified, and on other routes. */
    caller: Caller | null
  }
}

const TENANT = /^[a-z0-9][a-z0-9-]{0,39}$/

/**
 * The caller of a request.
 * @throws Error where the request was not authenticated: the route is none of `addTenantRoutes`
 */
export function getCaller ({ caller, method, routeOptions: { url = '' } }: FastifyRequest): Caller {
  if (caller === null) throw new Error(`${method} ${url} has no caller: add the route by addTenantRoutes`)
  return caller
}

/** A text that names the caller, and no other one: what idempotency keys and rate limits belong to. */
export function getScope (request: FastifyRequest): string {
  const { tenant, id, role } = getCaller(request)
  return JSON.stringify([tenant, id, role])
}

/** A hook that verifies the token of a request, and refuses readers that want to write. */
export function createAuthenticator (app: FastifyInstance) {
  return async function authenticate (request: FastifyRequest, reply: FastifyReply): Promise<void> {
    const caller = toCaller(await request.jwtVerify().catch(() => undefined))
    // Answers differ by caller: no cache may give one to another.
    reply.header('vary', 'authorization')
    if (caller === undefined) {
      reply.header('www-authenticate', 'Bearer')
      throw app.createProblem(401, 'The request carries no valid credentials')
    }
    if (caller.role === 'reader' && !['GET', 'HEAD'].includes(request.method)) {
      throw app.createProblem(403, 'The credentials do not allow this request')
    }
    request.caller = caller
  }
}

function toCaller (claims: unknown): Caller | undefined {
  const { sub, tenant, role } = Object(claims) as Record<string, unknown>
  if (typeof sub !== 'string' || sub === '' || typeof tenant !== 'string' || !TENANT.test(tenant)) return undefined
  return role === 'reader' || role === 'writer' ? { id: sub, tenant, role } : undefined
}
