// Replies that are sent twice, too early, too late, or past Fastify.
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import type { FastifyReply, FastifyRequest } from 'fastify'
import t from 'tap'
import { database, logLines, setup, test, transactional, type Database } from './harness.ts'
import { insert } from './statements.ts'

let db: Database
t.before(async () => {
  db = await database(t)
})

test('replies sent in unusual ways', async (t) => {
  const { send } = await setup(t, {
    database: db,
    routes: (app) => {
      const slowHook = {
        ...transactional,
        onSend: async () => {
          await sleep(5)
        }
      }
      for (const [name, options] of Object.entries({ plain: transactional, hook: slowHook })) {
        app.post(`/${name}/unreturned`, options, async (request, reply) => {
          await insert(request, 1)
          reply.code(201).header('x-first', 'yes').send({ first: true })
        })
        app.post(`/${name}/unreturned-orphan`, options, async (request, reply) => {
          await request.transaction.query('insert into child values (1, 99)')
          reply.code(201).send({ first: true })
        })
        app.post(`/${name}/throws-after`, options, async (request, reply) => {
          await insert(request, 2)
          reply.code(201).header('x-first', 'yes').send({ first: true })
          throw new Error('too late')
        })
        app.post(`/${name}/throws-later`, options, async (request, reply) => {
          await insert(request, 3)
          reply.code(201).header('x-first', 'yes').send({ first: true })
          await sleep(30)
          throw new Error('much too late')
        })
        app.post(`/${name}/throws-before-bytes`, options, async (request, reply) => {
          await insert(request, 11)
          request.transaction.beforeReply(async () => {
            await sleep(60)
            return { headers: { 'x-first': 'yes' } }
          })
          reply.code(201).send({ first: true })
          await sleep(30)
          throw new Error('between COMMIT and first byte')
        })
        app.post(`/${name}/sends-twice`, options, async (request, reply) => {
          await insert(request, 4)
          reply.code(201).header('x-first', 'yes').send({ first: true })
          reply.code(404).header('x-second', 'yes').send({ second: true })
          return await reply
        })
        app.post(`/${name}/error-twice`, options, async (request, reply) => {
          await insert(request, 9)
          reply.code(409).send({ first: true })
          throw new Error('again')
        })
        app.post(`/${name}/changes-after`, options, async (request, reply) => {
          await insert(request, 10)
          reply.code(201).header('x-first', 'yes').send({ first: true })
          reply.code(500).header('x-second', 'yes').header('x-bad', 'two\nlines')
        })
        app.post(`/${name}/writes-after`, options, async (request, reply) => {
          await insert(request, 5)
          reply.code(201).header('x-first', 'yes').send({ first: true })
          await insert(request, 6)
        })
      }
    }
  })
  for (
    const [path, id] of [
      ['unreturned', 1],
      ['throws-after', 2],
      ['throws-later', 3],
      ['sends-twice', 4],
      ['writes-after', 5],
      ['changes-after', 10],
      ['throws-before-bytes', 11]
    ] as const
  ) {
    await db.admin.query('truncate item')
    const answer = await send('POST', `/plain/${path}`)
    t.equal(answer.status, 201, path)
    t.equal(answer.headers['x-first'], 'yes', `${path}: its own headers`)
    t.equal(answer.headers['x-second'], undefined)
    t.same(answer.json, { first: true }, `${path}: its own body`)
    t.same(await db.ids(), [id], `${path} is committed, and nothing after it`)
    await db.admin.query('truncate item')
    const { status } = await send('POST', `/hook/${path}`)
    const stored = (await db.ids()).length > 0
    t.equal(
      stored,
      status < 400,
      `${path}, still in an earlier hook when the second reply came: ${status} is the truth`
    )
  }
  await db.admin.query('truncate item')
  for (const path of ['/plain/unreturned-orphan', '/hook/unreturned-orphan']) {
    t.equal((await send('POST', path)).status, 500, `${path}: a failed COMMIT is no success`)
  }
  for (const path of ['/plain/error-twice', '/hook/error-twice']) t.ok((await send('POST', path)).status >= 400, path)
  t.same(await db.ids(), [])
})

test('what beforeReply adds can neither deny nor break the reply', async (t) => {
  const { lines, logger } = logLines()
  const wrong = [{ status: 500 }, { status: 404 }, { status: 99 }, { headers: { 'x-bad': 'two\nlines' } }, {
    headers: { 'x bad': 'a blank' }
  }]
  const { send } = await setup(t, {
    database: db,
    fastify: { logger },
    routes: (app) => {
      for (const [id, addition] of wrong.entries()) {
        app.post(`/${id}`, transactional, async (request, reply) => {
          await insert(request, id)
          request.transaction.beforeReply(() => addition)
          request.transaction.beforeReply(() => ({ headers: { 'x-good': 'yes' } }))
          reply.code(202)
          return {}
        })
      }
    }
  })
  for (const id of wrong.keys()) {
    t.match(await send('POST', `/${id}`), { status: 202, headers: { 'x-good': 'yes', 'x-bad': undefined } })
  }
  t.same(await db.ids(), [...wrong.keys()])
  t.equal(lines.filter((line) => line['msg'] === 'a beforeReply callback failed').length, wrong.length)
})

test('an error that Fastify writes past every hook cannot overtake a COMMIT', async (t) => {
  const { send } = await setup(t, {
    database: db,
    routes: (app) => {
      const failing = {
        ...transactional,
        onSend: async (_request: FastifyRequest, reply: FastifyReply) => {
          if (reply.statusCode >= 400) throw new Error('the hook fails for errors')
        }
      }
      app.post('/committing', failing, async (request, reply) => {
        await insert(request, 1)
        await request.transaction.query('insert into slow values (1, 150)')
        reply.code(201).header('x-first', 'yes').send({ first: true })
        await sleep(50)
        throw new Error('while COMMIT runs')
      })
      app.post('/open', failing, async (request) => {
        await insert(request, 2)
        throw new Error('before any reply')
      })
    }
  })
  t.match(await send('POST', '/committing'), { status: 201, headers: { 'x-first': 'yes' }, json: { first: true } })
  t.same(await db.ids(), [1])
  t.equal((await send('POST', '/open')).status, 500, 'where nothing is committed it is written')
  t.same(await db.ids(), [1])
})

test('F35 hijack and raw replies are refused while the transaction is open', async (t) => {
  const { send } = await setup(t, {
    database: db,
    routes: (app) => {
      app.post('/hijack', transactional, async (request, reply) => {
        await insert(request, 1)
        reply.hijack()
      })
      for (const method of ['writeHead', 'write', 'end'] as const) {
        app.post(`/raw/${method}`, transactional, async (request, reply) => {
          await insert(request, 1)
          if (method === 'writeHead') reply.raw.writeHead(200)
          else reply.raw[method]('bytes')
        })
      }
      app.post('/raw-error', transactional, async (request, reply) => {
        await insert(request, 1)
        reply.raw.writeHead(418)
        reply.raw.end('teapot')
        return await reply
      })
      app.post('/second-attempt', { config: { transaction: { retries: 1 } } }, async (request, reply) => {
        await insert(request, 1)
        if (request.transaction.attempt === 1) {
          throw Object.assign(new Error('conflict'), { code: '40001', severity: 'ERROR' })
        }
        reply.raw.end('bytes')
      })
      app.post('/after-commit', transactional, async (request, reply) => {
        await insert(request, 2)
        await request.transaction.commit()
        reply.hijack()
        reply.raw.writeHead(202)
        reply.raw.end('by hand')
      })
      app.post('/after-commit-without-hijack', transactional, async (request, reply) => {
        await insert(request, 4)
        await request.transaction.commit()
        reply.raw.writeHead(202)
        return { second: true }
      })
      app.post('/before', transactional, async (_request, reply) => {
        reply.hijack()
        reply.raw.end('no transaction was opened')
      })
      app.post('/begun-before', transactional, async (request, reply) => {
        reply.raw.writeHead(200)
        await insert(request, 3).catch(() => {})
        reply.raw.end('too late to promise anything')
        return await reply
      })
    }
  })
  for (const path of ['/hijack', '/raw/writeHead', '/raw/write', '/raw/end', '/second-attempt']) {
    t.match(await send('POST', path), { status: 500, json: { code: 'TX_USAGE' } }, path)
  }
  t.match(await send('POST', '/raw-error'), { status: 418, text: 'teapot' }, 'an error may be written by hand')
  t.same(await db.ids(), [])
  t.match(await send('POST', '/after-commit'), { status: 202, text: 'by hand' })
  t.same(await db.ids(), [2])
  await t.rejects(
    send('POST', '/after-commit-without-hijack'),
    { code: 'ECONNRESET' },
    'two replies break the connection, not the process'
  )
  t.same(await db.ids(), [2, 4])
  t.equal((await send('POST', '/before')).status, 200)
  t.equal((await send('POST', '/begun-before')).status, 200)
  t.same(await db.ids(), [2, 4], 'a reply that has begun lets no transaction begin')
})

test('F35 streams piped to the raw reply are refused while the transaction is open', async (t) => {
  const { send } = await setup(t, {
    database: db,
    routes: (app) => {
      app.post('/pipe', transactional, async (request, reply) => {
        await insert(request, 1)
        Readable.from(['some ', 'bytes']).pipe(reply.raw)
        return await reply
      })
      app.post('/pipeline', transactional, async (request, reply) => {
        await insert(request, 1)
        await pipeline(Readable.from(['some ', 'bytes']), reply.raw)
      })
      app.post('/after-commit', transactional, async (request, reply) => {
        await insert(request, 2)
        await request.transaction.commit()
        reply.hijack()
        Readable.from(['some ', 'bytes']).pipe(reply.raw)
      })
    }
  })
  t.match(await send('POST', '/pipe'), { status: 500, json: { code: 'TX_USAGE' } })
  t.equal((await send('POST', '/pipeline')).status, 500, 'pipeline() ends the reply by itself')
  t.match(await send('POST', '/after-commit'), { status: 200, text: 'some bytes' })
  t.same(await db.ids(), [2])
})
