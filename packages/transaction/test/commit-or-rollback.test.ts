// Which replies commit and which roll back, and that the COMMIT comes before the first byte.
import { setTimeout as sleep } from 'node:timers/promises'
import type { FastifyReply, FastifyRequest } from 'fastify'
import t from 'tap'
import { database, recordStatements, setup, test, transactional, type Database } from './harness.ts'
import { insert } from './statements.ts'

let db: Database
t.before(async () => {
  db = await database(t)
})

test('F27 a reply that is no success, or never came to be, stores nothing', async (t) => {
  const { send } = await setup(t, {
    database: db,
    routes: (app) => {
      app.setNotFoundHandler((_request, reply) => reply.code(404).send({ nothing: 'here' }))
      app.post('/sent/:status', transactional, async (request, reply) => {
        await insert(request, 1)
        return await reply.code(Number((request.params as { status: string }).status)).send({})
      })
      app.post('/returned/:status', transactional, async (request, reply) => {
        await insert(request, 1)
        reply.code(Number((request.params as { status: string }).status))
        return {}
      })
      app.post('/not-found', transactional, async (request, reply) => {
        await insert(request, 1)
        return reply.callNotFound()
      })
      app.post('/throws', transactional, async (request) => {
        await insert(request, 1)
        throw new Error('no')
      })
      app.post('/throws/:status', transactional, async (request) => {
        await insert(request, 1)
        throw Object.assign(new Error('no'), { statusCode: Number((request.params as { status: string }).status) })
      })
      app.post('/callback', transactional, (request, reply) => {
        insert(request, 1).then(() => reply.send(new Error('no')), () => {})
      })
    }
  })
  const expected: Record<string, number> = {
    '/sent/404': 404,
    '/sent/409': 409,
    '/sent/503': 503,
    '/returned/404': 404,
    '/returned/409': 409,
    '/returned/503': 503,
    '/not-found': 404,
    '/throws': 500,
    '/throws/418': 418,
    '/callback': 500
  }
  for (const [path, status] of Object.entries(expected)) {
    t.equal((await send('POST', path)).status, status, path)
    t.same(await db.ids(), [], `${path} stored nothing`)
  }
})

test('a success commits before its first byte', async (t) => {
  const events: string[] = []
  const { send, app } = await setup(t, {
    database: db,
    routes: (app, pool) => {
      recordStatements(pool, events)
      app.post('/object', transactional, async (request, reply) => {
        await insert(request, 1)
        reply.code(201).header('location', '/object/1')
        return { id: 1 }
      })
      app.post('/nothing', transactional, async (request, reply) => {
        await insert(request, 2)
        return await reply.code(204).send()
      })
      app.post('/elsewhere', transactional, async (request, reply) => {
        await insert(request, 3)
        return reply.redirect('/object/3', 303)
      })
      app.post('/callback', transactional, (request, reply) => {
        insert(request, 4).then(() => reply.send('text'), () => {})
      })
      app.post('/buffer', transactional, async (request) => {
        await insert(request, 5)
        return Buffer.from('bytes')
      })
      app.post('/bytes', transactional, async (request) => {
        await insert(request, 6)
        return new Uint8Array([1, 2, 3])
      })
    }
  })
  app.server.on('connection', (socket) => {
    const write = socket.write.bind(socket) as (...args: unknown[]) => boolean
    Object.assign(socket, {
      write: (...args: unknown[]) => {
        events.push('byte')
        return write(...args)
      }
    })
  })
  const expected: Record<string, number> = {
    '/object': 201,
    '/nothing': 204,
    '/elsewhere': 303,
    '/callback': 200,
    '/buffer': 200,
    '/bytes': 200
  }
  for (const [path, status] of Object.entries(expected)) {
    events.length = 0
    t.equal((await send('POST', path)).status, status, path)
    t.same(
      events.slice(0, 5),
      ['BEGIN', 'insert into item values ($1, $2)', 'COMMIT', 'COMMIT answered', 'byte'],
      `${path}: order`
    )
  }
  t.same(await db.ids(), [1, 2, 3, 4, 5, 6])
})

test('what fails between handler and first byte rolls back', async (t) => {
  const late = async () => {
    await sleep(1)
    throw new Error('the hook failed')
  }
  const work = async (request: FastifyRequest) => {
    await insert(request, 1)
    return { id: 'no number' }
  }
  const { send } = await setup(t, {
    database: db,
    routes: (app) => {
      const strict = {
        response: { 200: { type: 'object', required: ['missing'], properties: { missing: { type: 'integer' } } } }
      }
      app.post('/serializer', { ...transactional, schema: strict }, work)
      app.post('/pre-serialization', { ...transactional, preSerialization: late }, work)
      app.post('/on-send', { ...transactional, onSend: late }, work)
      app.post('/on-send-callback', {
        ...transactional,
        onSend: (_request, _reply, _payload, done) => {
          done(new Error('no'))
        }
      }, work)
      app.post('/on-send-object', { ...transactional, onSend: async () => ({ an: 'object' }) }, work)
      app.post('/header', transactional, async (request, reply) => {
        reply.header('x-note', 'two\nlines')
        return await work(request)
      })
      app.post('/header-name', transactional, async (request, reply) => {
        reply.header('x note', 'a blank in the name')
        return await work(request)
      })
      app.post('/status-message', transactional, async (request, reply) => {
        reply.raw.statusMessage = 'two\nlines'
        return await work(request)
      })
      app.post('/pre-handler', {
        ...transactional,
        preHandler: [async (request) => {
          await insert(request, 1)
        }, late]
      }, work)
      app.register(async (child) => {
        child.addHook('onSend', late)
        child.post('/instance-hook', transactional, work)
      })
    }
  })
  for (
    const path of [
      '/serializer',
      '/pre-serialization',
      '/on-send',
      '/on-send-callback',
      '/on-send-object',
      '/header',
      '/header-name',
      '/status-message',
      '/pre-handler',
      '/instance-hook'
    ]
  ) {
    t.equal((await send('POST', path)).status, 500, path)
    t.same(await db.ids(), [], `${path} stored nothing`)
  }
})

test('the status that is sent decides', async (t) => {
  const { send } = await setup(t, {
    database: db,
    routes: (app) => {
      const forgiving = {
        ...transactional,
        errorHandler: (_error: unknown, _request: FastifyRequest, reply: FastifyReply) => {
          reply.code(200).send({ sorry: true })
        }
      }
      app.post('/forgiven', forgiving, async (request) => {
        await insert(request, 1)
        throw new Error('forgiven by the error handler')
      })
      app.post('/unforgivable', forgiving, async (request) => {
        await insert(request, 2)
        await insert(request, 2)
      })
      app.post('/at-commit', forgiving, async (request) => {
        await insert(request, 3)
        await request.transaction.query('insert into child values (1, 99)')
        return {}
      })
      app.register(async (child) => {
        child.setNotFoundHandler((_request, reply) => {
          reply.code(200).send('the start page')
        })
        child.post('/found', transactional, async (request, reply) => {
          await insert(request, 4)
          return reply.callNotFound()
        })
      }, { prefix: '/spa' })
      app.post('/on-send-decides', {
        ...transactional,
        onSend: async (_request, reply) => {
          reply.code(409)
        }
      }, async (request) => {
        await insert(request, 5)
        return {}
      })
    }
  })
  t.equal((await send('POST', '/forgiven')).status, 200, 'an error handler may turn a throw into a success')
  t.same(await db.ids(), [1], 'whose work is committed')
  t.equal((await send('POST', '/unforgivable')).status, 500, 'but not when a statement had failed')
  t.equal((await send('POST', '/at-commit')).status, 500, 'nor when COMMIT failed')
  t.same(await db.ids(), [1])
  const found = await send('POST', '/spa/found')
  t.equal((await db.ids()).includes(4), found.status < 400, 'a not-found handler that answers 200 cannot lie')
  t.equal((await send('POST', '/on-send-decides')).status, 409)
  t.notOk((await db.ids()).includes(5), 'a hook that makes it an error rolls back')
})
