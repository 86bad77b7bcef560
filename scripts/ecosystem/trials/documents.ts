import assert from 'node:assert/strict'
import type { FastifyInstance } from 'fastify'
import { loadPlugin } from '../packages/load.ts'
import type { Trial } from '../trial.ts'

interface WithRoutes extends FastifyInstance {
  routes: Map<string, unknown>
}

/** Plugins that look at the routes. */
export const trials: Trial[] = [
  {
    package: '@fastify/swagger',
    register: async (app) => app.register(await loadPlugin('@fastify/swagger'), { openapi: {} }),
    checks: [{
      name: 'the document names the routes',
      async play ({ app }) {
        assert.ok('/common/write' in (app.swagger().paths ?? {}))
      }
    }]
  },
  {
    package: '@fastify/swagger-ui',
    async register (app) {
      await app.register(await loadPlugin('@fastify/swagger'), { openapi: {} })
      await app.register(await loadPlugin('@fastify/swagger-ui'), { routePrefix: '/docs' })
    },
    checks: [{ name: 'the page', method: 'GET', path: '/docs/', status: 200 }]
  },
  {
    package: '@fastify/routes',
    register: async (app) => app.register(await loadPlugin('@fastify/routes')),
    checks: [{
      name: 'the map names the routes',
      async play ({ app }) {
        assert.ok((app as WithRoutes).routes.has('/common/write'))
      }
    }]
  },
  {
    package: 'fastify-print-routes',
    register: async (app) => app.register(await loadPlugin('fastify-print-routes'))
  }
]
