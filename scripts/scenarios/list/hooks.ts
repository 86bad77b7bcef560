import type { FastifyInstance, FastifyRequest, RouteOptions } from 'fastify'
import type { Scenario, Fixture } from '../scenario.ts'

const wrote = { writes: [1] }
const CONFLICT = "do $$ begin raise exception 'could not serialize access' using errcode = '40001'; end $$"
type Handle = ReturnType<Fixture['handle']>
type HookName = 'onRequest' | 'preValidation'
type Work = (fixture: Fixture, items: Handle, request: FastifyRequest, run: number) => Promise<unknown>

/** A hook of the app, for the scenario's own routes alone. */
function addHook (app: FastifyInstance, name: HookName, hook: (request: FastifyRequest) => Promise<unknown>): void {
  app.addHook(name as 'onRequest', async (request) => {
    if (request.url !== '/next') await hook(request)
  })
}

function writesIn (name: HookName): Scenario {
  return {
    name: `a write in an ${name} hook of the app, then 409`.replace('an pre', 'a pre'),
    act: { ...wrote, answers: [409] },
    routes: (fixture) => {
      addHook(fixture.app, name, (request) => fixture.handle(request).insert(1))
      fixture.route(async (_, reply) => await reply.code(409).send({}))
    }
  }
}

/** What is made of a handle before the handler runs. */
function withRepository (name: string, act: Scenario['act'], handler: Work): Scenario {
  return {
    name,
    act,
    routes: (fixture) => {
      const repositories = new WeakMap<FastifyRequest, Handle>()
      addHook(fixture.app, 'onRequest', async (request) => {
        repositories.set(request, fixture.handle(request))
      })
      let runs = 0
      fixture.retriedRoute((request) => handler(fixture, repositories.get(request) as Handle, request, ++runs))
    }
  }
}

/** Work in hooks and error handlers. */
export const hooks: Scenario[] = [
  writesIn('onRequest'),
  writesIn('preValidation'),
  withRepository('a repository made in an onRequest hook, then 500', { ...wrote, answers: [500] }, async (_, items) => {
    await items.insert(1)
    throw new Error('no')
  }),
  withRepository(
    'a repository made in an onRequest hook, and a conflict',
    wrote,
    async (fixture, items, request, run) => {
      await items.insert(1)
      if (run === 1) await fixture.query(request, CONFLICT)
      return {}
    }
  ),
  {
    name: 'an error handler writes after a validation that failed',
    act: { ...wrote, answers: [400] },
    routes: (fixture) => {
      fixture.app.setErrorHandler(async (_, request, reply) => {
        await fixture.handle(request).insert(1)
        return await reply.code(400).send({})
      })
      fixture.route(() => ({}), { schema: { body: { type: 'object', required: ['absent'] } } })
    }
  }
]

/** Does the work of a route with and without success, by a handle that would commit by itself outside a transaction. */
function addBoth (fixture: Fixture): void {
  fixture.route(async (request) => {
    await fixture.handle(request).insert(1)
    return {}
  }, { url: '/stores' })
  fixture.route(async (request) => {
    await fixture.handle(request).insert(2)
    throw new Error('no')
  }, { url: '/throws' })
}

const both: Scenario['act'] = async (client) => {
  await client.send('POST', '/stores', { writes: [1], answers: [200] }).reported
  await client.send('POST', '/throws', { writes: [2], answers: [500] }).reported
}

/** Another plugin, registered later, that puts its own hook where the route's was. */
function overwrites (assign: (route: RouteOptions) => void, name: string): Scenario {
  return {
    name: `an onRoute hook of another plugin assigns route.${name}`,
    mayRefuse: true,
    act: both,
    routes: (fixture) => {
      fixture.app.addHook('onRoute', (route) => {
        if (route.url !== '/next') assign(route)
      })
      addBoth(fixture)
    }
  }
}

/** How plugin and routes come together. */
export const registration: Scenario[] = [
  {
    name: 'the plugin is registered without await before the routes',
    isUnawaited: true,
    mayRefuse: true,
    act: both,
    routes: addBoth
  },
  overwrites((route) => {
    route.preHandler = async () => {}
  }, 'preHandler'),
  overwrites((route) => {
    route.onSend = async () => {}
  }, 'onSend')
]
