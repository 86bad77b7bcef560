// Error handlers that write their answer by hand, past Fastify, while the transaction has no reply that could decide
// about it.
import { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import t from 'tap'
import { database, setup, test, comesTrue, type Database } from './harness.ts'
import { insert } from './statements.ts'
import { failOnCrash } from './truth.ts'

let db: Database
t.before(async () => {
  db = await database(t)
})

type Handler = (request: FastifyRequest, reply: FastifyReply) => Promise<unknown>

const orphan = (request: FastifyRequest) => request.transaction.query('insert into child values (1, 99)')

/** Ways into an error handler with a transaction that has begun. */
const failures: Record<string, Handler> = {
  throw: async () => {
    throw new Error('no')
  },
  'throw a text': async () => {
    // eslint-disable-next-line @typescript-eslint/only-throw-error
    throw 'no' as unknown as Error
  },
  'send an error': async (_request, reply) => await reply.send(new Error('no')),
  statement: async (request) => await request.transaction.query('select 1 / 0'),
  'swallowed statement': async (request) => {
    await request.transaction.query('select 1 / 0').catch(() => {})
    return { a: 1 }
  },
  commit: async (request) => {
    await orphan(request)
    return { a: 1 }
  },
  'serialization': async () => ({ a: 1n }),
  'a later hook': async (_request, reply) => {
    reply.header('x-fail', 'yes')
    return { a: 1 }
  },
  'deadline in a statement': async (request) => await request.transaction.query('select pg_sleep(1)'),
  deadline: async () => await new Promise(() => {}),
  'swallowed deadline': async (request) => {
    await comesTrue(() => request.transaction.settled !== undefined)
    return { a: 1 }
  },
  'a success after the deadline': async (request, reply) => {
    await comesTrue(() => request.transaction.settled !== undefined)
    // The plugin has answered the deadline by now, and an error handler that waits has not.
    await comesTrue(() => reply.statusCode >= 400, 5)
    return { a: 1 }
  },
  'header': async (_request, reply) => {
    reply.header('x-bad', 'a\u0000b')
    return { a: 1 }
  }
}

/** What the error handler does with a reply. */
const answers: Record<string, (reply: FastifyReply) => void> = {
  'hijack, writeHead and end': (reply) => {
    reply.hijack()
    reply.raw.writeHead(200)
    reply.raw.end('by hand')
  },
  end: ({ raw }) => {
    raw.statusCode = 200
    raw.end('by hand')
  },
  'write and end': ({ raw }) => {
    raw.statusCode = 200
    raw.write('by ')
    raw.end('hand')
  },
  pipe: ({ raw }) => {
    raw.statusCode = 200
    Readable.from(['by ', 'hand']).pipe(raw)
  },
  flushHeaders: ({ raw }) => {
    raw.statusCode = 201
    raw.flushHeaders()
    raw.end()
  },
  'an error, later': (reply) => {
    reply.hijack()
    setTimeout(() => {
      reply.raw.writeHead(503)
      reply.raw.end('"message":"by the error handler"')
    }, 5)
  },
  'an error, at once and once more': (reply) => {
    reply.hijack()
    for (const _ of [1, 2]) {
      reply.raw.writeHead(503)
      reply.raw.end('"message":"by the error handler"')
    }
  },
  'an error, soon': (reply) => {
    reply.hijack()
    setImmediate(() => {
      reply.raw.writeHead(503)
      reply.raw.write('"message":')
      reply.raw.end('"by the error handler"')
    })
  },
  later: (reply) => {
    reply.hijack()
    setImmediate(() => {
      reply.raw.writeHead(200)
      reply.raw.end('by hand')
    })
  }
}

function addFailures (app: FastifyInstance): void {
  app.addHook('onSend', async function failLater (_request, reply) {
    if (reply.getHeader('x-fail') !== undefined && reply.statusCode < 400) throw new Error('no')
  })
  for (const [name, handler] of Object.entries(failures)) {
    const deadline = name.includes('deadline') ? 100 : 0
    app.post(`/${name.replaceAll(' ', '-')}`, { config: { transaction: { deadline } } }, async (request, reply) => {
      await insert(request, 1)
      return await handler(request, reply)
    })
  }
}

for (const [way, answer] of Object.entries(answers)) {
  for (const style of ['sync', 'async', 'nested'] as const) {
    test(`an error handler that answers by hand: ${way}, ${style}`, async (t) => {
      failOnCrash(t)
      const { send, pool } = await setup(t, {
        database: db,
        routes: async (app) => {
          const byHand = (_error: unknown, _request: FastifyRequest, reply: FastifyReply) => {
            answer(reply)
          }
          if (style !== 'async') app.setErrorHandler(byHand)
          else {
            app.setErrorHandler(async (error, request, reply) => {
              await sleep(15)
              byHand(error, request, reply)
            })
          }
          if (style !== 'nested') return addFailures(app)
          await app.register(async (child) => {
            child.setErrorHandler(byHand)
            addFailures(child)
          })
        }
      })
      for (const name of Object.keys(failures)) {
        const { status, text } = await send('POST', `/${name.replaceAll(' ', '-')}`)
        t.ok(status >= 500, `${name}: ${status}`)
        t.match(text, /"message":"/, 'a sentence says why')
        t.notMatch(text, /by hand/)
        t.ok(await comesTrue(() => pool.idleCount === pool.totalCount), 'the connection is back')
        t.same(await db.ids(), [])
      }
    })
  }
}

test('an error handler may write an error by hand, and a success by Fastify', async (t) => {
  const { send } = await setup(t, {
    database: db,
    routes: async (app) => {
      await app.register(async (child) => {
        child.setErrorHandler((_error, _request, reply) => {
          reply.hijack()
          reply.raw.writeHead(418)
          reply.raw.end('by hand')
        })
        addFailures(child)
      }, { prefix: '/error' })
      await app.register(async (child) => {
        child.setErrorHandler((_error, _request, reply) => {
          reply.code(200).send({ by: 'Fastify' })
        })
        addFailures(child)
      }, { prefix: '/success' })
    }
  })
  for (const name of ['throw', 'statement', 'commit', 'deadline']) {
    t.match(await send('POST', `/error/${name}`), { status: 418, text: 'by hand' }, name)
    t.same(await db.ids(), [])
  }
  t.match(await send('POST', '/success/throw'), { status: 200, json: { by: 'Fastify' } })
  t.same(await db.ids(), [1])
})
