// What bounds a request where nobody said anything, and what an idle transaction leaves behind.
import type { FastifyInstance } from 'fastify'
import t from 'tap'
import { database, setup, test, transactional, comesTrue, type Database, type SetupOptions } from './harness.ts'
import { insert } from './statements.ts'

let db: Database
t.before(async () => {
  db = await database(t)
})

type Described = Record<string, { deadline?: number; streamIdleTimeout?: number } | undefined>

/** What OpenAPI would say about the transactions of an app's routes. */
async function describe (
  t: Parameters<typeof setup>[0],
  plugin: NonNullable<SetupOptions['plugin']>,
  routes: (app: FastifyInstance) => void
): Promise<Described> {
  const described: Described = {}
  await setup(t, {
    database: db,
    plugin,
    routes: (app) => {
      app.addHook('onRoute', (route) => {
        described[route.url] = Object(route.schema)['x-transaction'] as Described[string]
      })
      routes(app)
    }
  })
  return described
}

const schema = { response: { 200: { type: 'object', additionalProperties: true } } }
const handler = async () => ({})

test('a request has a deadline of fifteen seconds unless somebody says otherwise', async (t) => {
  const routes = (app: FastifyInstance) => {
    app.post('/plain', { ...transactional, schema }, handler)
    app.post('/own', { config: { transaction: { deadline: 50 } }, schema }, handler)
    app.post('/none', { config: { transaction: { deadline: 0 } }, schema }, handler)
    app.post('/statement', { config: { transaction: 'statement' }, schema }, handler)
  }
  t.match(await describe(t, (pool) => ({ pool }), routes), {
    '/plain': { deadline: 15_000 },
    '/own': { deadline: 50 },
    '/none': { deadline: 0 },
    '/statement': { deadline: 15_000 }
  })
  t.match(await describe(t, (pool) => ({ pool, defaults: { deadline: 70 } }), routes), {
    '/plain': { deadline: 70 },
    '/own': { deadline: 50 },
    '/none': { deadline: 0 },
    '/statement': { deadline: 70 }
  })
  t.match(await describe(t, (pool) => ({ pool, defaults: { deadline: 0 } }), routes), {
    '/plain': { deadline: 0 },
    '/own': { deadline: 50 },
    '/statement': { deadline: 0 }
  }, '0 switches it off by choice')
})

test('however a request ends whose transaction never began, no timer of it is left', async (t) => {
  const required = { body: { type: 'object', required: ['must'] } }
  const { app, send } = await setup(t, {
    database: db,
    routes: (app) => {
      app.addHook('preValidation', async (request, reply) => {
        if (request.url === '/hook') {
          t.equal(request.transaction.state, 'idle')
          await reply.code(401).send({})
        }
      })
      app.post('/returns', transactional, handler)
      app.post('/refuses', transactional, async (_request, reply) => {
        reply.code(409)
        return {}
      })
      app.post('/throws', transactional, async () => {
        throw new Error('no')
      })
      app.post('/invalid', { ...transactional, schema: required }, handler)
      app.post('/hook', transactional, handler)
      app.post('/not-found', transactional, (_request, reply) => {
        reply.callNotFound()
      })
      app.post('/hijacks', transactional, (_request, reply) => {
        reply.hijack().raw.end('mine')
      })
      app.post('/raw', transactional, (_request, reply) => {
        reply.raw.end('mine')
      })
      app.post('/hangs', transactional, async () => await new Promise(() => {}))
      app.post(
        '/hangs-on',
        { config: { transaction: { clientAbort: 'continue' } } },
        async (_request, reply) =>
          await new Promise((resolve) => {
            reply.raw.once('close', () => {
              resolve(undefined)
            })
          })
      )
      app.post('/commits', transactional, async (request) => {
        await request.transaction.commit()
        return {}
      })
      app.post('/used', transactional, async (request) => {
        await insert(request, 1)
        return {}
      })
    }
  })
  const deadlines = countDeadlines(t)
  for (
    const path of [
      '/returns',
      '/refuses',
      '/throws',
      '/invalid',
      '/hook',
      '/not-found',
      '/hijacks',
      '/raw',
      '/commits',
      '/used'
    ]
  ) {
    t.ok((await send('POST', path)).status > 0, path)
    t.ok(await comesTrue(() => deadlines.size === 0, 2000), `${path}: no deadline is left`)
  }
  for (const path of ['/hangs', '/hangs-on']) {
    const leaving = send('POST', path)
    await comesTrue(() => deadlines.size > 0)
    leaving.abort()
    t.ok(await comesTrue(() => deadlines.size === 0, 2000), `${path}: none is left when the client has gone`)
  }
  t.ok(app.server.listening)
})

/** The timers of fifteen seconds that are running: deadlines. */
function countDeadlines (t: Parameters<typeof setup>[0]): Set<NodeJS.Timeout> {
  const running = new Set<NodeJS.Timeout>()
  const { setTimeout, clearTimeout } = globalThis
  Object.assign(globalThis, {
    setTimeout: (...args: Parameters<typeof setTimeout>) => {
      const timer = setTimeout(...args)
      if (args[1] !== undefined && args[1] > 14_000 && args[1] <= 15_000) running.add(timer)
      return timer
    },
    clearTimeout: (timer: NodeJS.Timeout | undefined) => {
      if (timer !== undefined) running.delete(timer)
      clearTimeout(timer)
    }
  })
  t.teardown(() => {
    Object.assign(globalThis, { setTimeout, clearTimeout })
  })
  return running
}
