// COMMIT is refused when the reply is complete: the error that goes out in its place says nothing of the lost success.
import { gzipSync } from 'node:zlib'
import { Readable } from 'node:stream'
import type { FastifyReply } from 'fastify'
import t from 'tap'
import { database, setup, test, transactional, type Database } from './harness.ts'
import { failOnCrash, openSession, post, reaches } from './truth.ts'
import { insert } from './statements.ts'

let db: Database
t.before(async () => {
  db = await database(t)
})

const lost = [
  'content-encoding',
  'location',
  'cache-control',
  'etag',
  'last-modified',
  'x-own',
  'x-raw',
  'trailer',
  'transfer-encoding',
  'content-disposition'
]

function decorate (reply: FastifyReply): void {
  reply.code(201).type('text/csv').headers({
    location: '/orders/10',
    'cache-control': 'public, max-age=3600',
    etag: '"1"',
    'x-own': 'yes',
    'content-disposition': 'attachment'
  })
  reply.header('set-cookie', 'order=10').header('set-cookie', 'other=1').header('last-modified', new Date(0))
  reply.raw.setHeader('x-raw', 'yes')
  reply.trailer('x-sum', async () => 'sum')
  if (reply.request.raw.httpVersionMajor === 1) reply.raw.statusMessage = 'Order made'
}

const bodies: Record<string, () => unknown> = {
  object: () => ({ text: 'x'.repeat(5000) }),
  stream: () => Readable.from(['some text']),
  response: () => new Response('some text', { headers: { 'x-own': 'of the Response' } }),
  nothing: () => undefined
}

/** How a reply is lost, and the status of the error. */
const ways: Record<string, [string, number]> = {
  'a deferred foreign key': ['insert into child values (1, 99)', 500],
  'a deferred trigger': ['insert into slow values (1, -1)', 500],
  'a failed statement that was swallowed': ['select 1 / 0', 500]
}

for (const http2 of [false, true]) {
  test(`K11 the headers of a reply that is taken back go with it, over HTTP/${http2 ? 2 : 1}`, async (t) => {
    failOnCrash(t)
    await db.admin.query(
      `create or replace function refuse () returns trigger language plpgsql as 'begin raise exception ''refused''; end'`
    )
    await db.admin.query(
      `drop trigger if exists refuse on slow; create constraint trigger refuse after insert on slow deferrable initially deferred for each row when (new.milliseconds < 0) execute function refuse()`
    )
    const { origin, send } = await setup(t, {
      database: db,
      fastify: (http2 ? { http2 } : {}) as object,
      before: (app) => {
        app.addHook('onRequest', async (_request, reply) => {
          reply.header('x-request', 'yes').header('set-cookie', 'session=1')
        })
        app.addHook('onSend', async (_request, reply, payload) => {
          if (typeof payload !== 'string' || payload.length < 1000) return payload
          reply.header('content-encoding', 'gzip').header('vary', 'accept-encoding').removeHeader('content-length')
          return gzipSync(payload)
        })
      },
      routes: (app) => {
        for (const [index, [statement]] of Object.values(ways).entries()) {
          for (const [kind, body] of Object.entries(bodies)) {
            app.post(`/${index}/${kind}`, transactional, async (request, reply) => {
              await request.transaction.query(statement).catch(() => {})
              decorate(reply)
              if (kind === 'object') reply.type('application/json')
              return body()
            })
          }
        }
        app.post('/own', transactional, async (request, reply) => {
          await insert(request, 1)
          reply.headers({ 'retry-after': '5', 'x-own': 'yes', 'cache-control': 'no-store' })
          throw Object.assign(new Error('not now'), { statusCode: 503 })
        })
        app.post('/long-error', {
          ...transactional,
          errorHandler: async (_error, _request, reply) => await reply.code(500).send({ text: 'x'.repeat(2000) })
        }, async (request, reply) => {
          await request.transaction.query('insert into child values (1, 99)')
          decorate(reply)
          return { text: 'x'.repeat(5000) }
        })
      }
    })
    const ask = async (path: string) =>
      http2 ? await post(openSession(t, origin), path).reported : await send('POST', path)
    for (const [index, [name, [, status]]] of Object.entries(ways).entries()) {
      for (const kind of Object.keys(bodies)) {
        const { headers, text, ...reported } = await ask(`/${index}/${kind}`)
        t.equal(reported.status, status, `${name}, ${kind}`)
        t.same(lost.filter((header) => headers[header] !== undefined), [], 'nothing of the lost reply')
        t.same(headers['set-cookie'], ['session=1'], 'cookies of the hooks before the handler stay')
        t.match(headers, {
          'x-request': 'yes',
          'content-type': 'application/json; charset=utf-8',
          'content-length': String(text.length)
        })
        t.match(JSON.parse(text), { statusCode: 500 }, 'its body is plain JSON')
      }
    }
    t.match(await ask('/own'), {
      status: 503,
      headers: { 'retry-after': '5', 'x-own': 'yes', 'cache-control': 'no-store' }
    }, 'an error of the handler keeps its headers')
    t.match(
      (await ask('/long-error')).headers,
      { 'content-encoding': 'gzip', 'x-own': undefined, location: undefined },
      'an error is encoded by the hooks as any reply'
    )
    t.same(await db.ids(), [])
    await db.admin.query('drop trigger refuse on slow')
  })
}

test('K11 the reason phrase of a lost success is not sent', async (t) => {
  failOnCrash(t)
  const { send } = await setup(t, {
    database: db,
    routes: (app) => {
      app.post('/', {
        ...transactional,
        onSend: async (_request, reply, payload) => {
          reply.header('content-encoding', 'gzip').removeHeader('content-length')
          return gzipSync(payload as string)
        }
      }, async (request, reply) => {
        await request.transaction.query('insert into child values (1, 99)')
        reply.raw.statusMessage = 'Order made'
        return {}
      })
      app.post('/changed', transactional, async (request, reply) => {
        await insert(request, 1)
        await request.transaction.query('insert into slow values (1, 60)')
        void reaches(request, 'committing').then(() => {
          reply.raw.statusMessage = 'two\nlines'
          reply.trailer('x\nbad', async () => 'a').header('x-late', 'two\nlines').code(500)
        })
        reply.raw.statusMessage = 'Made'
        return { fine: true }
      })
    }
  })
  const sent = send('POST', '/')
  const reason = new Promise<string | undefined>((resolve) => {
    sent.request.once('response', ({ statusMessage }) => {
      resolve(statusMessage)
    })
  })
  t.match(await sent, { status: 500, headers: { 'content-encoding': 'gzip' } })
  t.equal(await reason, 'Internal Server Error')
  t.match(await send('POST', '/changed'), {
    status: 200,
    headers: { 'x-late': undefined, trailer: undefined },
    json: { fine: true }
  }, 'what changes while COMMIT runs was not decided upon')
  t.same(await db.ids(), [1])
})
