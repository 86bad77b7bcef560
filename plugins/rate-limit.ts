import type { FastifyReply, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { getClientAddress } from './common/client-address.ts'
import { WindowCounter, type Budget } from './common/window-counter.ts'
import { isProbe } from './limits.ts'

declare module 'fastify' {
  interface FastifyContextConfig {
    /**
     * Counts requests of the route by this text instead of by address, once the hooks before its handler have run: for
     * example by caller, where a hook has found out who that is. What those hooks refuse is not counted.
     */
    rateLimitKey?: (request: FastifyRequest) => string
  }
  interface FastifyInstance {
    /** Counts requests by client; absent where RATE_LIMIT_MAX is 0. */
    rateLimit?: RateLimit
  }
}

/** How the answers of a client are counted. */
export interface RateLimit {
  /**
   * Counts a request once, however often it is asked, and says in the headers of its answer what is left.
   * @param key what a route with `rateLimitKey` counts by; before it is known, such a request is not counted
   * @returns the refusal when the client has asked too often
   */
  countRequest: (request: FastifyRequest, reply: FastifyReply, key?: string) => TooManyRequestsError | undefined
  /** Counts what the parser refused, of which only the address of the connection is known. */
  countConnection: (address: string | undefined) => Budget
}

/** A client sent more requests than RATE_LIMIT_MAX in a window. 429. */
export class TooManyRequestsError extends Error {
  readonly statusCode = 429
  /** Seconds until the window ends. */
  readonly retryAfter: number

  constructor (retryAfter: number) {
    super('The client sent too many requests.')
    this.name = 'TooManyRequestsError'
    this.retryAfter = retryAfter
  }
}

/**
 * 429 for clients that ask too often. Every answer counts but those of probes: here whatever reaches the hooks of a
 * route, a path that does not exist or a preflight; in plugins/errors what is refused before there are hooks.
 */
export default fp(async function rateLimit (app) {
  const { RATE_LIMIT_MAX: max, RATE_LIMIT_WINDOW_MS: windowMs } = app.config
  if (max === 0) return
  const counter = new WindowCounter(max, windowMs)
  const counted = new WeakMap<object, Budget>()
  app.decorate('rateLimit', {
    countRequest (request, reply, key) {
      if (isProbe(request)) return undefined
      const isKeyed = request.routeOptions.config?.rateLimitKey !== undefined
      const client = isKeyed ? key && `key ${key}` : getClientAddress(request)
      const budget = counted.get(request.raw) ?? (client === undefined ? undefined : counter.count(client))
      if (budget === undefined) return undefined
      counted.set(request.raw, budget)
      reply.headers({
        'ratelimit-limit': max,
        'ratelimit-remaining': budget.left,
        'ratelimit-reset': budget.seconds
      })
      return budget.isSpent ? new TooManyRequestsError(budget.seconds) : undefined
    },
    countConnection: (address = '') => counter.count(getClientAddress({ ip: address }))
  })
  app.addHook('onRoute', function countByKey (route) {
    const getKey = route.config?.rateLimitKey
    if (getKey === undefined) return
    route.preHandler = [...[route.preHandler ?? []].flat(), function countCaller (request, reply, done) {
      done(app.rateLimit?.countRequest(request, reply, getKey(request)))
    }]
  })
  app.addHook('onRequest', function countRequest (request, reply, done) {
    done(app.rateLimit?.countRequest(request, reply))
  })
}, { name: 'rate-limit', dependencies: ['config', 'errors'], fastify: '5.x' })
