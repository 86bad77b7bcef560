// A route that declares a transaction gets one, or the app does not start.
import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest, type RouteOptions } from 'fastify'
import fp from 'fastify-plugin'
import pg from 'pg'
import t from 'tap'
import transaction from '../src/index.ts'
import { database, setup, test, transactional, type Database } from './harness.ts'
import { plainDb, plainHandles } from './statements.ts'

let db: Database
t.before(async () => {
  db = await database(t)
})

/** Boots an app on a pool that no server answers; gives what it refused with. */
async function boot (build: (app: FastifyInstance, pool: pg.Pool) => unknown): Promise<string> {
  const pool = new pg.Pool({ host: '127.0.0.1', port: 1 })
  const app = Fastify()
  try {
    await build(app, pool)
    await app.ready()
    return 'booted'
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'TX_USAGE'
      ? error.message
      : `${String(error)} ${String(Object(error).code)}`
  } finally {
    await app.close().catch(() => {})
    await pool.end()
  }
}

const handler = async () => ({})

test('a declared transaction that the plugin cannot give keeps the app from starting', async (t) => {
  const has =
    /^POST \/orders declares config\.transaction and has none: the transaction plugin was registered after the route, in another scope, or under another name; await app\.register\(transaction, …\) before/
  const isMeant =
    /^POST \/orders was declared before the transaction plugin, whose methods give it a transaction: await app\.register\(transaction, …\) before the route/
  const cases: Array<[string, (app: FastifyInstance, pool: pg.Pool) => unknown, RegExp]> = [
    ['register is not awaited', (app, pool) => {
      app.register(transaction, { pool })
      app.post('/orders', transactional, handler)
    }, has],
    ['the same, by methods', (app, pool) => {
      app.register(transaction, { pool, methods: ['POST'] })
      app.post('/orders', handler)
    }, isMeant],
    ['the route is first', async (app, pool) => {
      app.post('/orders', transactional, handler)
      await app.register(transaction, { pool })
    }, has],
    ['another plugin that adds it is first', async (app, pool) => {
      await app.register(async (child) => {
        child.post('/orders', transactional, handler)
      })
      await app.register(transaction, { pool })
    }, has],
    ['the same, by methods', async (app, pool) => {
      await app.register(async (child) => {
        await child.register(async (grandchild) => {
          grandchild.all('/orders', handler)
        })
      })
      await app.register(transaction, { pool, methods: ['POST'] })
    }, /POST.* \/orders was declared before/],
    ['the plugin is in a sibling scope', async (app, pool) => {
      await app.register(async (child) => {
        await child.register(transaction, { pool })
      })
      app.post('/orders', transactional, handler)
    }, has],
    ['the plugin has another name', async (app, pool) => {
      await app.register(transaction, { pool, name: 'billing' })
      app.post('/orders', transactional, handler)
    }, has],
    ['the route means another name', async (app, pool) => {
      await app.register(transaction, { pool })
      app.post('/orders', { config: { transaction: { name: 'billing' } } }, handler)
    }, has],
    ['options without the plugin of that scope', async (app, pool) => {
      await app.register(async (child) => {
        await child.register(transaction, { pool })
      })
      app.post('/orders', { config: { transaction: { isolationLevel: 'serializable' } } }, handler)
    }, has],
    ['an onRoute hook declares it afterwards', async (app, pool) => {
      await app.register(transaction, { pool })
      app.addHook('onRoute', (route) => {
        route.config = { ...route.config, transaction: true }
      })
      app.post('/orders', handler)
    }, has]
  ]
  for (const [name, build, expected] of cases) t.match(await boot(build), expected, name)
  for (const value of [false, undefined]) {
    t.equal(
      await boot(async (app, pool) => {
        app.post('/orders', { config: value === undefined ? {} : { transaction: value } }, handler)
        app.get('/orders', handler)
        await app.register(transaction, { pool, methods: value === false ? ['POST'] : [] })
      }),
      'booted',
      `transaction: ${String(value)} is no declaration`
    )
  }
})

test("a plugin that takes a route's hooks away keeps the app from starting", async (t) => {
  for (const name of ['onSend', 'preHandler'] as const) {
    t.match(
      await boot(async (app, pool) => {
        await app.register(transaction, { pool })
        app.addHook('onRoute', (route) => {
          Reflect.deleteProperty(route, name)
        })
        app.post('/orders', transactional, handler)
      }),
      /^POST \/orders: another plugin has removed the transaction's hooks/,
      name
    )
    t.match(
      await boot(async (app, pool) => {
        await app.register(transaction, { pool })
        app.addHook('onRoute', (route) => {
          setImmediate(() => {
            void route[name]
            Object.defineProperty(route, name, { value: [] })
          })
        })
        app.post('/orders', transactional, handler)
        await new Promise((resolve) => {
          setImmediate(() => {
            setImmediate(resolve)
          })
        })
      }),
      /^POST \/orders: another plugin has removed/,
      `${name}, later`
    )
  }
})

test('an app without the plugin notices nothing of it', async (t) => {
  const app = Fastify()
  app.post(
    '/own-meaning',
    { config: { transaction: true } },
    async (request) => ({ keys: Object.keys(request).length > 0, transaction: request.transaction, db: request.db })
  )
  app.decorateRequest('transaction', null as never)
  t.match(
    (await app.inject({ method: 'POST', url: '/own-meaning' })).json(),
    { transaction: null },
    'its config and its decorators are its own'
  )
  t.notOk(app.hasDecorator('transaction'))
  t.notOk(app.hasRequestDecorator('db'))
  await app.close()
})

/** Other plugins' onRoute hooks: what they do with a route's own hooks must not cost it the transaction. */
const onRoutes: Record<string, (route: RouteOptions) => void> = {
  'assigns preHandler': (route) => {
    route.preHandler = async () => {}
  },
  'assigns onSend': (route) => {
    route.onSend = async (_request: FastifyRequest, _reply: FastifyReply, payload: unknown) => payload
  },
  'assigns nothing': (route) => {
    route.preHandler = []
    route.onSend = undefined as never
  },
  'appends': (route) => {
    route.onSend = [route.onSend ?? [], async (_request: FastifyRequest, reply: FastifyReply, payload: unknown) => {
      reply.header('x-appended', 'yes')
      return payload
    }].flat() as never
  },
  'wraps each hook and the handler': (route) => {
    const inner = route.handler
    route.handler = async function wrapped (request, reply) {
      return await (inner as (...args: unknown[]) => unknown).call(this, request, reply)
    }
    for (const name of ['preHandler', 'onSend'] as const) {
      const hooks = [route[name] ?? []].flat() as Array<(...args: unknown[]) => unknown>
      route[name] = hooks.map((hook) =>
        function wrappedHook (this: unknown, ...args: unknown[]) {
          return hook.apply(this, args)
        }
      ) as never
    }
  },
  'assigns later': (route) => {
    queueMicrotask(() => {
      route.onSend = async (_request: FastifyRequest, _reply: FastifyReply, payload: unknown) => payload
    })
  },
  'wraps later': (route) => {
    setImmediate(() => {
      const hooks = [route.onSend ?? []].flat() as unknown as Array<(...args: unknown[]) => unknown>
      route.onSend = hooks.map((hook) =>
        function wrappedLater (this: unknown, ...args: unknown[]) {
          return hook.apply(this, args)
        }
      ) as never
    })
  }
}

for (const order of ['before', 'after'] as const) {
  test(`onRoute hooks added ${order} the plugin cannot take the transaction away`, async (t) => {
    for (const [name, onRoute] of Object.entries(onRoutes)) {
      const spy = fp(async (app: FastifyInstance) => {
        app.addHook('onRoute', onRoute)
      })
      const { send } = await setup(t, {
        database: db,
        plugin: (pool) => ({ pool, db: plainHandles(pool) }),
        before: async (app) => {
          if (order === 'before') await app.register(spy)
        },
        routes: async (app) => {
          if (order === 'after') await app.register(spy)
          await app.register(async (child) => {
            child.post('/:status', transactional, async (request, reply) => {
              await plainDb(request).query('insert into item values (1)')
              reply.code(Number((request.params as { status: string }).status))
              return { state: request.transaction.state }
            })
            await new Promise((resolve) => {
              setImmediate(() => {
                setImmediate(resolve)
              })
            })
          })
        }
      })
      t.match(await send('POST', '/409'), { status: 409, json: { state: 'open' } }, name)
      t.same(await db.ids(), [], `${name}: rolled back`)
      t.match(await send('POST', '/201'), { status: 201, json: { state: 'open' } }, name)
      t.same(await db.ids(), [1], `${name}: committed`)
    }
  })
}

test('every way to add a route gives it its transaction', async (t) => {
  const { app, send } = await setup(t, {
    database: db,
    fastify: { exposeHeadRoutes: true },
    plugin: (pool) => ({ pool, db: plainHandles(pool) }),
    routes: async (app) => {
      const write = async (request: FastifyRequest, reply: FastifyReply) => {
        await plainDb(request).query('insert into item values (1)')
        return await reply.code(409).send({ state: request.transaction.state })
      }
      app.route({ ...transactional, method: ['POST', 'PUT', 'GET'], url: '/many', handler: write })
      app.get('/get', transactional, write)
      app.all('/all', transactional, write)
      app.post('/version', { ...transactional, constraints: { version: '1.0.0' } }, write)
      app.post('/version', async () => ({}))
      const options = { ...transactional }
      app.post('/shared-1', options, write)
      app.post('/shared-2', options, write)
      await app.register(async (child) => {
        child.post('/', { ...transactional, prefixTrailingSlash: 'both' }, write)
        child.setNotFoundHandler(async (_request, reply) => await reply.code(404).send({ lost: true }))
        child.post('/lost', transactional, async (request, reply) => {
          await plainDb(request).query('insert into item values (1)')
          reply.callNotFound()
        })
      }, { prefix: '/prefix' })
      // As plugins that add a second, versioned route do.
      await app.register(async (child) => {
        child.addHook('onRoute', (route) => {
          if (!route.url.startsWith('/v1')) {
            child.route({
              ...route,
              url: `/v1${route.url}`,
              config: { ...route.config, transaction: route.url === '/again' }
            })
          }
        })
        child.post('/again', transactional, write)
        child.post('/plain-again', transactional, async (request) => {
          await plainDb(request).query('select 1')
          return { state: describe(request) }
        })
      })
    }
  })
  const paths = [
    'POST /many',
    'PUT /many',
    'GET /many',
    'HEAD /many',
    'GET /get',
    'HEAD /get',
    'DELETE /all',
    'POST /shared-1',
    'POST /shared-2',
    'POST /prefix',
    'POST /prefix/',
    'POST /again',
    'POST /v1/again'
  ]
  for (const path of paths) {
    const [method = '', url = ''] = path.split(' ')
    t.equal((await send(method, url)).status, 409, path)
    t.same(await db.ids(), [], path)
  }
  t.equal(
    (await app.inject({ method: 'POST', url: '/version', headers: { 'accept-version': '1.0.0' } })).json<
      { state: string }
    >().state,
    'open'
  )
  t.match(await send('POST', '/prefix/lost'), { status: 404, json: { lost: true } })
  t.same(await db.ids(), [], 'also where the handler calls the 404 handler')
  t.match(await send('POST', '/plain-again'), { status: 200, json: { state: 'open' } })
  t.match(
    await send('POST', '/v1/plain-again'),
    { status: 200, json: { state: /has no transaction/ } },
    'a copy of a route without its transaction has none'
  )
})

function describe (request: FastifyRequest): string {
  try {
    return request.transaction.state
  } catch (error) {
    return String(error)
  }
}
