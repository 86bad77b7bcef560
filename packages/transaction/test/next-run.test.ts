// What the next run of a handler starts from: request, reply, time and client as they were before the first.
import { PassThrough } from 'node:stream'
import type { FastifyReply, FastifyRequest } from 'fastify'
import t from 'tap'
import { database, logLines, signal, setup, test, comesTrue, type Database } from './harness.ts'
import { conflict, insert } from './statements.ts'

let db: Database
t.before(async () => {
  db = await database(t)
})

const retried = { config: { transaction: { retries: 3 } } } as const

async function loseOnce (request: FastifyRequest): Promise<void> {
  await insert(request, request.transaction.attempt)
  if (request.transaction.attempt === 1) await request.transaction.query(conflict)
}

interface Decorated {
  list: string[]
  counts: Map<string, number>
  user: { name: string; seen: number }
  session: Session
}

class Session {
  visits = 0
}

test('what a run has changed is as before', async (t) => {
  const { send } = await setup(t, {
    database: db,
    routes: (app) => {
      app.decorateRequest('list', null as unknown as string[])
      app.decorateReply('jar', null as unknown as Map<string, string>)
      app.addHook('onRequest', async function prepare (request, reply) {
        Object.assign(request, {
          list: ['a'],
          counts: new Map([['a', 1]]),
          user: { name: 'ann', seen: 0 },
          session: new Session()
        })
        Object.assign(reply, { jar: new Map<string, string>() })
      })
      app.addHook('onSend', async function writeJar (_request, reply) {
        for (const [name, value] of (reply as FastifyReply & { jar: Map<string, string> }).jar) {
          reply.header(`x-${name}`, value)
        }
      })
      app.post('/changed', retried, async (request, reply) => {
        const { list, counts, user, session } = request as unknown as Decorated
        const body = request.body as { items: string[] }
        list.push('b')
        counts.set('a', (counts.get('a') ?? 0) + 1)
        user.seen++
        session.visits++
        const first = body.items.shift()
        Object.assign(request.params as object, { changed: true })
        request.headers['x-changed'] = 'yes'
        ;(reply as FastifyReply & { jar: Map<string, string> }).jar.set(`run-${request.transaction.attempt}`, 'yes')
        await loseOnce(request)
        return { list, counts: [...counts], user, visits: session.visits, first, params: request.params }
      })
    }
  })
  const answer = await send('POST', '/changed', { items: ['first', 'second'] })
  t.same(answer.json, {
    list: ['a', 'b'],
    counts: [['a', 2]],
    user: { name: 'ann', seen: 1 },
    visits: 2,
    first: 'first',
    params: { changed: true }
  }, 'data is; an object of a class is the same one')
  t.equal(answer.headers['x-run-1'], undefined, 'a jar of cookies too')
  t.equal(answer.headers['x-run-2'], 'yes')
  t.same(await db.ids(), [2])
})

test('what cannot be repeated is not run again, and the log says so', async (t) => {
  const { lines, logger } = logLines()
  const runs: Record<string, number> = {}
  const lose = async (request: FastifyRequest) => {
    runs[request.url] = (runs[request.url] ?? 0) + 1
    await insert(request, 1)
    await request.transaction.query(conflict)
  }
  const { origin, send } = await setup(t, {
    database: db,
    fastify: { logger },
    routes: (app) => {
      app.addContentTypeParser('text/unread', (_request, _payload, done) => {
        done(null)
      })
      app.addContentTypeParser('text/stream', (_request, payload, done) => {
        done(null, payload)
      })
      app.addContentTypeParser('text/piped', (_request, payload, done) => {
        done(null, payload.pipe(new PassThrough()))
      })
      app.addContentTypeParser('text/class', { parseAs: 'string' }, (_request, body, done) => {
        done(null, new URL(`http://host/${String(body)}`))
      })
      app.addContentTypeParser('text/method', { parseAs: 'string' }, (_request, body, done) => {
        done(null, { read: () => body })
      })
      app.addContentTypeParser('text/buffer', { parseAs: 'buffer' }, (_request, body, done) => {
        done(null, body)
      })
      app.addContentTypeParser('text/date', { parseAs: 'string' }, (_request, _body, done) => {
        done(null, { at: new Date(), ids: new Set([1]) })
      })
      for (const kind of ['unread', 'stream', 'piped', 'class', 'method', 'buffer', 'date']) {
        app.post(`/${kind}`, retried, lose)
      }
      app.post('/wrapped', {
        ...retried,
        preHandler: async (_request, reply) => {
          wrapSend(reply)
        }
      }, lose)
      app.post('/wrapped-late', {
        ...retried,
        preHandler: async (_request, reply) => {
          Object.assign(reply, { answer: (value: unknown) => reply.send(value) })
        }
      }, async (request, reply) => {
        if (request.transaction.attempt === 1) await lose(request)
        const { answer } = reply as FastifyReply & { answer: (value: unknown) => FastifyReply }
        await insert(request, 2)
        return answer({ second: true })
      })
    }
  })
  for (const kind of ['unread', 'stream', 'piped', 'class', 'method', 'buffer', 'date']) {
    const answer = await fetch(`${origin}/${kind}`, {
      method: 'POST',
      body: 'body',
      headers: { 'content-type': `text/${kind}` }
    })
    t.equal(answer.status, 500)
    t.same(await db.ids(), [])
  }
  t.match(await send('POST', '/wrapped'), { status: 500, json: { code: '40001' } })
  t.match(await send('POST', '/wrapped-late'), {
    status: 500,
    json: { code: 'TX_USAGE', message: /^reply\.answer\(\) was made by a hook for the first run/ }
  })
  t.same(await db.ids(), [])
  t.same(runs, {
    '/unread': 1,
    '/stream': 1,
    '/piped': 1,
    '/class': 1,
    '/method': 1,
    '/buffer': 4,
    '/date': 4,
    '/wrapped': 1,
    '/wrapped-late': 1
  })
  const warnings = lines.filter(({ msg }) => String(msg).startsWith('retries are off')).map(({ route, reason }) =>
    `${String(route)}: ${String(reason)}`
  )
  t.match(warnings, [
    /\/unread: the body is a stream/,
    /\/stream: the body is a stream/,
    /\/piped: the body is a stream/,
    /\/class: body or query/,
    /\/method: body or query/,
    /\/wrapped: a hook has replaced the reply's method send\(\)/
  ])
})

function wrapSend (reply: FastifyReply): void {
  const send = reply.send.bind(reply)
  reply.send = (payload?: unknown) => send(payload instanceof Error ? payload : { wrapped: payload })
}

test("Fastify's handlerTimeout holds over all runs", async (t) => {
  const waits = [signal(), signal()]
  const { send, app } = await setup(t, {
    database: db,
    routes: (app) => {
      const options = { config: { transaction: { retries: 20 } }, handlerTimeout: 150 } as const
      app.get('/between-runs', options, async (request) => {
        await insert(request, 1)
        await request.transaction.query(conflict)
      })
      app.get('/second-run', options, async (request, reply) => {
        const { attempt } = request.transaction
        await insert(request, attempt)
        if (attempt === 2) {
          waits[0]?.give()
          return await new Promise(() => {})
        }
        reply.send(await request.transaction.query(conflict).catch((error: unknown) => error))
        await waits[0]?.given
        reply.hijack()
        waits[1]?.give()
      })
    }
  })
  // Where the time is over in the moment in which a run loses, either of the two errors may be the answer.
  t.match(await send('GET', '/between-runs'), {
    status: /^50[03]$/,
    json: { code: /^(FST_ERR_HANDLER_TIMEOUT|40001)$/ }
  }, 'also between two runs')
  t.match(
    await send('GET', '/second-run'),
    { status: 503, json: { code: 'FST_ERR_HANDLER_TIMEOUT' } },
    'late code of the first run cannot stop it'
  )
  await waits[1]?.given
  t.same(await db.ids(), [])
  t.ok(app.server.listening)
})

test('a deadline and a client that leaves hold over all runs', async (t) => {
  const runs: Record<string, number> = {}
  const late: unknown[] = []
  const [begun, gone, done] = [signal(), signal(), signal()]
  const { send } = await setup(t, {
    database: db,
    routes: (app) => {
      const lose = async (request: FastifyRequest) => {
        runs[request.url] = (runs[request.url] ?? 0) + 1
        await insert(request, 1)
        await request.transaction.query(conflict)
      }
      app.post('/deadline', { config: { transaction: { retries: 20, deadline: 150 } } }, lose)
      app.post('/leaves', { config: { transaction: { retries: 20 } } }, lose)
      app.post(
        '/continues',
        { config: { transaction: { retries: 2, clientAbort: 'continue' } } },
        async (request, reply) => {
          await insert(request, request.transaction.attempt)
          if (request.transaction.attempt === 2) {
            reply.raw.once('close', gone.give)
            begun.give()
            await done.given
            return {}
          }
          reply.send(await request.transaction.query(conflict).catch((error: unknown) => error))
          await gone.given
          await new Promise((resolve) => {
            setImmediate(resolve)
          })
          late.push(await insert(request, 99).catch((error: unknown) => error))
          done.give()
        }
      )
    }
  })
  t.match(await send('POST', '/deadline'), { status: 504, json: { code: 'TX_TIMEOUT' } })
  const leaving = send('POST', '/leaves')
  await comesTrue(() => (runs['/leaves'] ?? 0) > 2)
  leaving.abort()
  const continuing = send('POST', '/continues')
  await begun.given
  continuing.abort()
  await comesTrue(async () => (await db.ids()).length > 0)
  t.same(await db.ids(), [2], 'what the lost run sends after the client has left does not land in the next one')
  t.match(late, [{ code: 'TX_CLOSED' }])
  t.ok((runs['/leaves'] ?? 0) < 21)
})

test('a raw response that a lost run has kept cannot answer for the next', async (t) => {
  const { send } = await setup(t, {
    database: db,
    routes: (app) => {
      for (const when of ['idle', 'open']) {
        const [begun, done] = [signal(), signal()]
        app.post(`/${when}`, retried, async (request, reply) => {
          const { raw } = reply
          if (request.transaction.attempt === 1) {
            reply.send(await request.transaction.query(conflict).catch((error: unknown) => error))
            await begun.given
            raw.end('late')
            return done.give()
          }
          if (when === 'open') await insert(request, 2)
          begun.give()
          await done.given
          if (when === 'idle') await insert(request, 2)
          return {}
        })
      }
      app.post('/between', retried, async (request, reply) => {
        const { raw } = reply
        if (request.transaction.attempt === 1) {
          reply.send(await request.transaction.query(conflict).catch((error: unknown) => error))
          raw.end('late')
        }
        await insert(request, 2)
        return { run: request.transaction.attempt }
      })
    }
  })
  for (const when of ['idle', 'open']) {
    t.equal((await send('POST', `/${when}`)).status, 500, when)
    t.same(await db.ids(), [], when)
  }
  t.match(
    await send('POST', '/between'),
    { status: 200, json: { run: 2 } },
    'before it has begun, such a call is ignored'
  )
  t.same(await db.ids(), [2])
})

test('hooks and the log see the last run; what it throws is handled as ever', async (t) => {
  const { lines, logger } = logLines()
  const seen: unknown[] = []
  const { send } = await setup(t, {
    database: db,
    fastify: { logger },
    routes: (app) => {
      app.setErrorHandler((error: { statusCode?: number }, _request, reply) => {
        void reply.code(error.statusCode ?? 500).send({ isError: error instanceof Error })
      })
      app.addHook('onResponse', async (request, reply) => {
        seen.push([reply.statusCode, request.transaction.attempt, request.transaction.state])
      })
      app.post('/object', retried, async (request) => {
        await loseOnce(request)
        throw { statusCode: 409 } as unknown as Error
      })
      app.post('/created', retried, async (request, reply) => {
        await loseOnce(request)
        return await reply.code(201).send({})
      })
    }
  })
  t.match(
    await send('POST', '/object'),
    { status: 409, json: { isError: false } },
    'what is no Error reaches the error handler as it is'
  )
  t.equal((await send('POST', '/created')).status, 201)
  await comesTrue(() => seen.length === 2)
  t.same(seen, [[409, 2, 'rolled back'], [201, 2, 'committed']])
  await comesTrue(() => lines.filter(({ msg }) => msg === 'request completed').length === 2)
  t.match(lines.filter(({ msg }) => msg === 'request completed'), [
    { res: { statusCode: 409 }, transaction: { attempts: 2, outcome: 'rolled_back' } },
    { res: { statusCode: 201 }, transaction: { attempts: 2, outcome: 'committed' } }
  ])
})
