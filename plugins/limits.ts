import { monitorEventLoopDelay } from 'node:perf_hooks'
import createError from '@fastify/error'
import rateLimit from '@fastify/rate-limit'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { getClientAddress } from './common/client-address.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /**
     * True while the event loop is later than MAX_EVENT_LOOP_DELAY_MS and requests are refused. Absent where nothing is
     * shed.
     */
    isOverloaded?: () => boolean
  }
}

// An orchestrator that gets no answer kills the process, which helps nobody under load.
const PROBES = new Set(['/livez', '/readyz', '/healthz'])
const DELAY_IN_PRODUCTION_MS = 1000
const SAMPLE_MS = 250
const RESOLUTION_MS = 10

const OverloadedError = createError('OVERLOADED', 'The event loop is too late.', 503)

/** 429 for clients that ask too often, 503 while the process cannot keep up. Probes are always answered. */
export default fp(async function limits (app) {
  const { NODE_ENV, RATE_LIMIT_MAX, MAX_EVENT_LOOP_DELAY_MS } = app.config
  // Outside production a breakpoint or a slow compiler would look like overload.
  const maxDelay = MAX_EVENT_LOOP_DELAY_MS ?? (NODE_ENV === 'production' ? DELAY_IN_PRODUCTION_MS : 0)
  if (maxDelay > 0) shedLoad(app, maxDelay)
  if (RATE_LIMIT_MAX > 0) await limitRate(app, RATE_LIMIT_MAX)
}, { name: 'limits', dependencies: ['config', 'errors'], fastify: '5.x' })

// Not @fastify/under-pressure: it also samples memory on a timer, which throws when no file descriptor is left and ends
// the process.
function shedLoad (app: FastifyInstance, maxDelay: number): void {
  const histogram = monitorEventLoopDelay({ resolution: RESOLUTION_MS })
  let delay = 0
  const timer = setInterval(function sample () {
    delay = histogram.mean / 1e6 - RESOLUTION_MS
    histogram.reset()
  }, SAMPLE_MS)
  histogram.enable()
  app.decorate('isOverloaded', () => delay > maxDelay)
  app.addHook('onRequest', function refuseWhileLate (request, _reply, done) {
    if (delay > maxDelay && !isProbe(request)) return done(new OverloadedError())
    done()
  })
  app.addHook('onClose', async function stopSampling () {
    clearInterval(timer)
    histogram.disable()
  })
}

async function limitRate (app: FastifyInstance, max: number): Promise<void> {
  await app.register(rateLimit, {
    max,
    timeWindow: app.config.RATE_LIMIT_WINDOW_MS,
    enableDraftSpec: true,
    allowList: isProbe,
    keyGenerator: getClientAddress,
    errorResponseBuilder: (_request, { ttl }) => new TooManyRequestsError(Math.ceil(ttl / 1000))
  })
  // The plugin sees routes only; guessing paths that do not exist counts as well.
  const limitUnknown = app.rateLimit()
  app.addHook('onRequest', async function limitUnknownPaths (request, reply) {
    if (request.is404) await limitUnknown.call(app, request, reply)
  })
}

/** A client sent more requests than RATE_LIMIT_MAX in a window. 429. */
class TooManyRequestsError extends Error {
  readonly statusCode = 429
  /** Seconds until the window ends. */
  readonly retryAfter: number

  constructor (retryAfter: number) {
    super('The client sent too many requests.')
    this.name = 'TooManyRequestsError'
    this.retryAfter = retryAfter
  }
}

function isProbe (request: FastifyRequest): boolean {
  return PROBES.has(request.routeOptions.url ?? '')
}
