// On a route with a transaction the handles mean that transaction in every hook, wherever the hook was added.
import type { FastifyInstance, FastifyReply, FastifyRequest, RouteOptions } from 'fastify'
import t from 'tap'
import { database, logLines, setup, test, transactional, comesTrue, type Database } from './harness.ts'
import { conflict, insert, plainDb, type PlainDb, plainHandles } from './statements.ts'

let db: Database
t.before(async () => {
  db = await database(t)
})

const hooks = [
  'onRequest',
  'preParsing',
  'preValidation',
  'preHandler',
  'preSerialization',
  'onSend',
  'onError'
] as const
type HookName = typeof hooks[number]
const places = ['before the plugin', 'after it', 'in a child', 'on the route'] as const
const styles = ['async', 'callback'] as const

/** A hook of any kind that stores a row through `request.db`. */
function writingHook (name: HookName, style: typeof styles[number]): (...args: never[]) => unknown {
  const write = async (request: FastifyRequest) => {
    if (request.url !== '/after-the-test') {
      await plainDb(request).query(`insert into item values (${hooks.indexOf(name) + 1})`)
    }
  }
  const hasPayload = ['preParsing', 'preSerialization', 'onSend'].includes(name)
  const hasError = name === 'onError'
  if (style === 'async') {
    if (hasPayload || hasError) {
      return async (request: FastifyRequest, _reply: FastifyReply, payload: unknown) => {
        await write(request)
        return hasError ? undefined : payload
      }
    }
    return async (request: FastifyRequest) => {
      await write(request)
    }
  }
  if (hasPayload) {
    return (
      request: FastifyRequest,
      _reply: FastifyReply,
      payload: unknown,
      done: (error?: Error | null, payload?: unknown) => void
    ) => {
      write(request).then(() => {
        done(null, payload)
      }, done)
    }
  }
  if (hasError) {
    return (request: FastifyRequest, _reply: FastifyReply, _error: Error, done: () => void) => {
      write(request).then(() => {
        done()
      }, () => {
        done()
      })
    }
  }
  return (request: FastifyRequest, _reply: FastifyReply, done: (error?: Error) => void) => {
    write(request).then(() => {
      done()
    }, done)
  }
}

function addRoutes (app: FastifyInstance, own: object): void {
  const route = (method: string, url: string, handler: RouteOptions['handler']) => {
    app.route({ ...transactional, ...own, method, url, handler })
  }
  for (const method of ['POST', 'GET']) {
    route(method, '/stores', async () => ({ ok: true }))
    route(method, '/refuses', async (_request, reply) => {
      reply.code(409)
      return { ok: false }
    })
    route(method, '/throws', async () => {
      throw Object.assign(new Error('no'), { statusCode: 418 })
    })
    route(method, '/callback', (_request, reply) => {
      setImmediate(() => {
        reply.code(409).send({ ok: false })
      })
    })
  }
}

for (const place of places) {
  test(`hooks ${place} write in the transaction`, async (t) => {
    for (const name of hooks) {
      for (const style of styles) {
        const hook = writingHook(name, style)
        const add = (app: FastifyInstance) => {
          app.addHook(name as 'onRequest', hook as () => void)
        }
        const { send } = await setup(t, {
          database: db,
          plugin: (pool) => ({ pool, db: plainHandles(pool) }),
          before: (app) => {
            if (place === 'before the plugin') add(app)
          },
          routes: async (app) => {
            if (place === 'after it') add(app)
            await app.register(async (child) => {
              if (place === 'in a child') add(child)
              addRoutes(child, place === 'on the route' ? { [name]: hook } : {})
            })
          }
        })
        for (const method of style === 'async' ? ['POST', 'GET', 'HEAD'] : ['POST']) {
          await db.admin.query('truncate item')
          t.equal((await send(method, '/stores')).status, 200, `${name}, ${style}, ${method}`)
          t.same(
            await db.ids(),
            name === 'onError' ? [] : [hooks.indexOf(name) + 1],
            `${name}, ${style}, ${method}: stored with the success`
          )
          await db.admin.query('truncate item')
          for (const [path, status] of [['/refuses', 409], ['/throws', 418], ['/callback', 409]] as const) {
            t.equal((await send(method, path)).status, status, `${name}, ${style}, ${method} ${path}`)
            t.same(await db.ids(), [], `${name}, ${style}, ${method} ${path}: nothing is stored`)
          }
        }
      }
    }
  })
}

test('error handlers write in the transaction', async (t) => {
  const { send } = await setup(t, {
    database: db,
    plugin: (pool) => ({ pool, db: plainHandles(pool) }),
    routes: (app) => {
      app.setErrorHandler(async (error: Error & { statusCode?: number }, request, reply) => {
        await plainDb(request).query('insert into item values (7)')
        return await reply.code((request.query as { as?: number }).as ?? error.statusCode ?? 500).send({
          message: error.message
        })
      })
      const schema = { body: { type: 'object', required: ['must'] } }
      app.post('/invalid', { ...transactional, schema }, async () => ({}))
      app.post('/throws', transactional, async () => {
        throw Object.assign(new Error('no'), { statusCode: 418 })
      })
      app.post('/own', {
        ...transactional,
        schema,
        errorHandler: async (_error, request, reply) => {
          await insert(request, 8)
          return await reply.code(422).send({})
        }
      }, async () => ({}))
    }
  })
  t.equal((await send('POST', '/invalid')).status, 400)
  t.equal((await send('POST', '/throws')).status, 418)
  t.equal((await send('POST', '/own')).status, 422)
  t.same(await db.ids(), [], 'an error reply stores nothing, whoever wrote')
  t.equal((await send('POST', '/invalid?as=202')).status, 202)
  t.same(await db.ids(), [7], 'an error handler that answers with a success commits')
})

test('what has nothing to store costs nothing', async (t) => {
  const { send, pool } = await setup(t, {
    database: db,
    plugin: (pool) => ({ pool, db: plainHandles(pool) }),
    routes: (app) => {
      app.addHook('onRequest', async (request) => {
        Object.assign(request, { items: { add: () => plainDb(request).query('insert into item values (1)') } })
      })
      app.post(
        '/invalid',
        { ...transactional, schema: { body: { type: 'object', required: ['must'] } } },
        async () => ({})
      )
      app.post('/valid', transactional, async () => ({}))
      app.post('/unauthorized', {
        ...transactional,
        preHandler: async (request, reply) => {
          t.equal(request.transaction.state, 'idle')
          return await reply.code(401).send({})
        }
      }, async () => ({}))
      app.post('/lazy', transactional, async (request, reply) => {
        await (request as unknown as { items: { add: () => Promise<unknown> } }).items.add()
        reply.code(409)
        return {}
      })
    }
  })
  const acquired: unknown[] = []
  pool.on('acquire', (client) => {
    acquired.push(client)
  })
  for (const [path, status] of [['/invalid', 400], ['/valid', 200], ['/unauthorized', 401]] as const) {
    t.equal((await send('POST', path)).status, status)
  }
  t.equal(acquired.length, 0, 'no connection was taken')
  t.equal((await send('POST', '/lazy')).status, 409)
  t.same(await db.ids(), [], 'a repository made in a hook writes in the transaction')
})

test('a hook that uses the transaction switches retries off, and is named once', async (t) => {
  const { lines, logger } = logLines()
  const runs: string[] = []
  const retried = { config: { transaction: { retries: 2 } } } as const
  const { send } = await setup(t, {
    database: db,
    fastify: { logger },
    plugin: (pool) => ({ pool, db: plainHandles(pool) }),
    routes: (app) => {
      const lose = async (request: FastifyRequest) => {
        runs.push(request.url)
        await insert(request, 5)
        await request.transaction.query(conflict)
      }
      app.post('/plain', retried, lose)
      app.register(async (child) => {
        child.addHook('onRequest', async function lookUpSession (request) {
          await plainDb(request).query('insert into item values (1)')
        })
        child.post('/statement', retried, lose)
      })
      app.register(async (child) => {
        child.addHook('preHandler', function makeRepository (request, _reply, done) {
          Object.assign(request, { items: plainDb(request) })
          done()
        })
        child.post('/handle', retried, async (request) => {
          await (request as unknown as { items: PlainDb }).items.query('insert into item values (1)')
          await lose(request)
        })
      })
    }
  })
  for (const path of ['/plain', '/statement', '/handle', '/statement', '/handle']) {
    t.equal((await send('POST', path)).status, 500, path)
  }
  t.same(runs, ['/plain', '/plain', '/plain', '/statement', '/handle', '/statement', '/handle'])
  t.same(await db.ids(), [])
  const warnings = lines.filter(({ msg }) => String(msg).startsWith('retries are off')).map((
    { route, hook }
  ) => [route, hook])
  t.match(warnings, [['POST /statement', /lookUpSession/], ['POST /handle', /makeRepository/]], 'once per route')
})

test('after the reply nothing begins any more', async (t) => {
  const refused: unknown[] = []
  const { send } = await setup(t, {
    database: db,
    plugin: (pool) => ({ pool, db: plainHandles(pool) }),
    routes: (app) => {
      app.addHook('onResponse', async (request) => {
        if (request.url === '/after-the-test') return
        refused.push(await plainDb(request).query('insert into item values (9)').catch((error: unknown) => error))
      })
      app.post('/idle', transactional, async () => ({}))
      app.post('/used', transactional, async (request) => {
        await insert(request, 1)
        return {}
      })
      app.post(
        '/invalid',
        { ...transactional, schema: { body: { type: 'object', required: ['must'] } } },
        async () => ({})
      )
    }
  })
  for (const [path, status] of [['/idle', 200], ['/used', 200], ['/invalid', 400]] as const) {
    t.equal((await send('POST', path)).status, status)
  }
  await comesTrue(() => refused.length === 3)
  t.match(refused, [{ code: 'TX_CLOSED' }, { code: 'TX_CLOSED' }, { code: 'TX_USAGE' }])
  t.same(await db.ids(), [1])
})
