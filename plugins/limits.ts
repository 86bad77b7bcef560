import { monitorEventLoopDelay } from 'node:perf_hooks'
import createError from '@fastify/error'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'

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

/** 503 while the process cannot keep up. Probes are always answered. */
export default fp(async function limits (app) {
  const { NODE_ENV, MAX_EVENT_LOOP_DELAY_MS } = app.config
  // Outside production a breakpoint or a slow compiler would look like overload.
  const maxDelay = MAX_EVENT_LOOP_DELAY_MS ?? (NODE_ENV === 'production' ? DELAY_IN_PRODUCTION_MS : 0)
  if (maxDelay > 0) shedLoad(app, maxDelay)
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

/** True for the probes of an orchestrator, which nothing holds back. */
export function isProbe (request: FastifyRequest): boolean {
  return PROBES.has(request.routeOptions.url ?? '')
}
