import { setTimeout as sleep } from 'node:timers/promises'
import type { FastifyInstance } from 'fastify'
import { loadPlugin } from '../packages/load.ts'
import { insert } from '../test-app.ts'
import type { Trial } from '../trial.ts'

interface WithBreaker extends FastifyInstance {
  circuitBreaker: () => never
}

/** Plugins that refuse work. */
export const trials: Trial[] = [
  {
    package: '@fastify/rate-limit',
    register: async (app) => app.register(await loadPlugin('@fastify/rate-limit'), { max: 1000 }),
    routes: (app) => {
      app.post('/limited', { config: { rateLimit: { max: 1, timeWindow: 60_000 } } }, async (request) => {
        await insert(request, 51)
        return {}
      })
    },
    checks: [
      { name: 'within the limit', path: '/limited', status: 200, stored: [51] },
      { name: '429', path: '/limited', status: 429 }
    ]
  },
  {
    package: '@fastify/under-pressure',
    register: async (app) =>
      app.register(await loadPlugin('@fastify/under-pressure'), {
        maxEventLoopDelay: 60_000,
        // Asked by a route of its own only.
        exposeStatusRoute: '/status'
      }),
    checks: [{ name: 'status route', method: 'GET', path: '/status', status: 200 }]
  },
  {
    package: '@fastify/circuit-breaker',
    register: async (app) =>
      app.register(await loadPlugin('@fastify/circuit-breaker'), {
        threshold: 3,
        timeout: 200,
        resetTimeout: 1000
      }),
    routes: (app) => {
      const preHandler = (app as WithBreaker).circuitBreaker()
      app.post('/quick', { preHandler }, async (request) => {
        await insert(request, 52)
        return {}
      })
      app.post('/slow', { preHandler }, async (request) => {
        await insert(request, 53)
        await sleep(400)
        return {}
      })
      app.post('/slow-statement', { preHandler }, async (request) => {
        await insert(request, 54)
        await request.transaction.query('select pg_sleep(0.4)')
        return {}
      })
    },
    checks: [
      { name: 'closed', path: '/quick', status: 200, stored: [52] },
      { name: 'the handler takes too long', path: '/slow', status: 503 },
      { name: 'a statement takes too long', path: '/slow-statement', status: 503 },
      { name: 'open', path: '/slow', status: 503 },
      { name: 'refused while open', path: '/quick', status: 503 }
    ],
    note: 'It looks at the clock when the reply is sent and interrupts nothing: give the route a `deadline` as well.'
  }
]
