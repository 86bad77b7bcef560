import assert from 'node:assert/strict'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { load, loadPlugin } from '../packages/load.ts'
import { insert } from '../test-app.ts'
import type { Check, Trial } from '../trial.ts'

interface Repository {
  add: (id: number) => Promise<unknown>
}
interface Scoped extends FastifyRequest {
  requestContext: { set: (name: string, value: unknown) => void; get: (name: string) => Repository }
  diScope: { register: (modules: object) => void; resolve: (name: string) => Repository }
}
interface Negotiates extends FastifyRequest {
  accepts: () => { type: (types: string[]) => string | false }
}
interface UsesMiddleware extends FastifyInstance {
  use: (middleware: (request: unknown, response: unknown, next: () => void) => void) => void
}

function repository (request: FastifyRequest): Repository {
  return { add: (id) => request.transaction.query('insert into item values ($1)', [id]) }
}

/** Both a hook of the app that makes a repository, and a handler that takes it from its place. */
function addWithRepository (app: FastifyInstance, find: (request: FastifyRequest) => Repository): void {
  for (const code of [200, 409]) {
    app.post(`/repository-${code}`, async (request, reply) => {
      await find(request).add(91)
      reply.code(code)
      return {}
    })
  }
}

const withRepository: Check[] = [
  { name: 'a repository made in an onRequest hook', path: '/repository-200', status: 200, stored: [91] },
  { name: 'a repository made in an onRequest hook, and 409', path: '/repository-409', status: 409 }
]

async function middleware (app: FastifyInstance, name: string): Promise<void> {
  await app.register(await loadPlugin(name))
  ;(app as UsesMiddleware).use((_, __, next) => {
    setImmediate(next)
  })
}

/** Plugins that give requests something, and small helpers. */
export const trials: Trial[] = [
  {
    package: '@fastify/request-context',
    register: async (app) => app.register(await loadPlugin('@fastify/request-context')),
    routes: (app) => {
      app.addHook('onRequest', async (request) => {
        ;(request as Scoped).requestContext.set('items', repository(request))
      })
      addWithRepository(app, (request) => (request as Scoped).requestContext.get('items'))
    },
    checks: withRepository
  },
  {
    package: '@fastify/awilix',
    async register (app) {
      const { fastifyAwilixPlugin } = await load<{
        fastifyAwilixPlugin: Awaited<ReturnType<typeof loadPlugin>>
      }>('@fastify/awilix')
      await app.register(fastifyAwilixPlugin, {
        disposeOnClose: true,
        disposeOnResponse: true,
        strictBooleanEnforced: true
      })
      const { asValue } = await load<{ asValue: (value: unknown) => unknown }>('awilix')
      app.addHook('onRequest', async (request) => {
        ;(request as Scoped).diScope.register({ items: asValue(repository(request)) })
      })
    },
    routes: (app) => {
      addWithRepository(app, (request) => (request as Scoped).diScope.resolve('items'))
    },
    checks: withRepository
  },
  {
    package: '@fastify/accepts',
    register: async (app) => app.register(await loadPlugin('@fastify/accepts')),
    routes: (app) => {
      app.post('/negotiated', async (request, reply) => {
        await insert(request, 92)
        if ((request as Negotiates).accepts().type(['json']) === false) reply.code(406)
        return {}
      })
    },
    checks: [
      { name: 'acceptable', path: '/negotiated', headers: { accept: 'application/json' }, status: 200, stored: [92] },
      { name: '406', path: '/negotiated', headers: { accept: 'text/html' }, status: 406 }
    ]
  },
  {
    package: '@fastify/sensible',
    register: async (app) => app.register(await loadPlugin('@fastify/sensible')),
    routes: (app) => {
      app.post('/sensible', async (request, reply) => {
        await insert(request, 93)
        const { conflict } = reply as typeof reply & { conflict: (detail: string) => unknown }
        return await Promise.resolve(conflict.call(reply, 'taken'))
      })
    },
    checks: [{ name: 'reply.conflict()', path: '/sensible', status: 409 }]
  },
  {
    package: '@fastify/url-data',
    register: async (app) => app.register(await loadPlugin('@fastify/url-data')),
    routes: (app) => {
      app.post('/url', async (request) => {
        await insert(request, 94)
        return { path: (request as FastifyRequest & { urlData: (part: string) => string }).urlData('path') }
      })
    },
    checks: [{
      name: 'urlData',
      path: '/url',
      status: 200,
      stored: [94],
      also: ({ text }) => {
        assert.match(text, /url/)
      }
    }]
  },
  { package: '@fastify/middie', register: (app) => middleware(app, '@fastify/middie') },
  { package: '@fastify/express', register: (app) => middleware(app, '@fastify/express') },
  {
    package: '@fastify/helmet',
    register: async (app) => app.register(await loadPlugin('@fastify/helmet')),
    checks: [helmeted()]
  },
  {
    package: '@fastify/cors',
    register: async (app) => app.register(await loadPlugin('@fastify/cors'), { origin: 'https://example.com' }),
    checks: [
      {
        name: 'preflight',
        method: 'OPTIONS',
        path: '/common/write',
        headers: { origin: 'https://example.com', 'access-control-request-method': 'POST' },
        status: 204
      },
      {
        name: 'its header on a COMMIT that fails',
        path: '/common/commit-fails',
        headers: { origin: 'https://example.com' },
        status: 500,
        also: ({ headers }) => {
          assert.equal(headers['access-control-allow-origin'], 'https://example.com')
        }
      }
    ]
  }
]

function helmeted (): Check {
  return {
    name: 'its headers on a COMMIT that fails',
    path: '/common/commit-fails',
    status: 500,
    also: ({ headers }) => {
      assert.ok(headers['x-content-type-options'], 'no header of helmet')
    }
  }
}
