import { createHash } from 'node:crypto'
import type { FastifyInstance, FastifyRequest } from 'fastify'

/**
 * Names the caller of a request, or the group that may share answers: a user id, or tenant and user id. Runs before the
 * handler, after authentication in hooks. It has to stay the same for a repeat, so no token that is renewed meanwhile.
 */
export type IdempotencyScope = (request: FastifyRequest) => string

declare module 'fastify' {
  interface FastifyInstance {
    /**
     * Sets the scope of Idempotency-Keys for routes that have none of their own; once, before the app is ready. One
     * key of two scopes is two keys, and no answer goes from one to the other.
     * @throws TypeError when it is no function, is set twice, or the app is ready
     * @example app.setIdempotencyScope((request) => request.user.sub)
     */
    setIdempotencyScope: (scope: IdempotencyScope) => void
  }
}

/** What of a caller belongs to a key: a part of its name, or only of the fingerprint that a repeat must match. */
export interface Caller {
  /** Digest of the scope; undefined where none is set. */
  scope?: string
  /** Digest of the credentials or settings of a request without a scope; undefined when it has neither. */
  credentials?: string
}

/** Adds `app.setIdempotencyScope`; returns the function that finds who sent a request. */
export function callerFinder (app: FastifyInstance): (request: FastifyRequest) => Caller {
  let common: IdempotencyScope | undefined
  let isReady = false
  app.addHook('onReady', async () => {
    isReady = true
  })
  app.decorate('setIdempotencyScope', (scope) => {
    if (typeof scope !== 'function') throw new TypeError('setIdempotencyScope: give a function of the request')
    if (common !== undefined) throw new TypeError('setIdempotencyScope: the scope is set already; set it once')
    if (isReady) throw new TypeError('setIdempotencyScope: the app is ready; set the scope in a plugin')
    common = scope
  })
  return function findCaller (request) {
    const { idempotency } = request.routeOptions.config
    const scope = (typeof idempotency === 'object' ? idempotency.scope : undefined) ?? common
    if (scope !== undefined) return { scope: digest(named(request, scope(request))) }
    const credentials = getCredentials(request)
    return credentials === undefined ? {} : { credentials: digest(credentials) }
  }
}

/** SHA-256 of a text, as stores keep it: neither names nor tokens are stored. */
export function digest (text: string): string {
  return createHash('sha256').update(text).digest('base64url')
}

// An empty or missing name would be shared by all callers that have none.
function named ({ method, routeOptions }: FastifyRequest, scope: unknown): string {
  if (typeof scope === 'string' && scope !== '') return scope
  const route = `${method} ${routeOptions.url ?? ''}`
  throw new TypeError(`${route}: the scope of its Idempotency-Keys is no text; return the id of the caller`)
}

/**
 * Without a scope a repeat is answered only for the settings of the transaction, which say what it may read, or for the
 * credentials of the first request. They are no part of the key: a renewed token must not do the work again.
 */
function getCredentials (request: FastifyRequest): string | undefined {
  const { transaction } = request.routeOptions.config
  const settings = typeof transaction === 'object' ? transaction.settings : undefined
  if (settings !== undefined) {
    return JSON.stringify(Object.entries(settings(request)).sort(([one], [other]) => one < other ? -1 : 1))
  }
  const { authorization, cookie } = request.headers
  return authorization === undefined && cookie === undefined ? undefined : JSON.stringify([authorization, cookie])
}
