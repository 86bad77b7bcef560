// What only Node refuses when it writes a reply, or a client when it reads one: found before the COMMIT.
import { Readable } from 'node:stream'
import type { FastifyReply } from 'fastify'
import t, { type Test } from 'tap'
import { database, setup, test, transactional, type Database, type Setup } from './harness.ts'
import { ask, failOnCrash, isTruth, openSession, post, type WatchedPromise } from './truth.ts'
import { insert } from './statements.ts'

let db: Database
t.before(async () => {
  db = await database(t)
})

/** What a handler does to its reply before it returns a payload; undefined: an object. */
type Act = (reply: FastifyReply) => unknown
const header = (name: string, value: unknown): Act => (reply) => {
  reply.header(name, value as string)
}
const rawHeader = (name: string, value: string | string[]): Act => (reply) => {
  reply.raw.setHeader(name, value)
}
const text = (...acts: Act[]): Act => (reply) => {
  for (const act of acts) act(reply)
  return 'some text'
}
const stream = (...acts: Act[]): Act => (reply) => {
  for (const act of acts) act(reply)
  return Readable.from(['some ', 'text'])
}
let turn = 0

/** Each with the status over HTTP/1.1, and over HTTP/2 where that differs. */
const acts: Record<string, [Act, number, number?]> = {
  'a list with undefined': [header('x-a', ['a', undefined]), 500],
  'a list with a symbol': [header('x-a', [Symbol('a')]), 500],
  'a symbol': [header('x-a', Symbol('a')), 500],
  'null': [header('x-a', null), 200, 500],
  'a boolean': [header('x-a', true), 200],
  'a number': [header('x-a', 1.5), 200],
  'a date': [header('x-a', new Date(0)), 200],
  'a list of a number and a date': [header('x-a', [1, new Date(0)]), 200],
  'an empty list': [header('x-a', []), 200],
  'an object whose toString throws': [
    header('x-a', {
      toString () {
        throw new Error('no text')
      }
    }),
    500
  ],
  'an object without toString': [header('x-a', Object.create(null)), 500],
  'an object whose text changes': [header('x-a', { toString: () => turn++ % 2 === 0 ? 'fine' : 'two\r\nlines' }), 200],
  'not latin': [header('x-a', 'ā'), 500],
  'latin': [header('x-a', 'é'), 200],
  'a line end': [header('x-a', 'one\r\ntwo: three'), 500],
  'a cookie with a line end': [header('set-cookie', 'a=b\r\nx: y'), 500],
  'a name with a blank': [header('x a', 'a'), 500],
  'an empty name': [header('', 'a'), 500],
  'a pseudo header': [header(':status', '200'), 500],
  'a raw list': [rawHeader('x-a', ['a', 'b']), 200],
  'transfer-encoding: gzip': [header('transfer-encoding', 'gzip'), 500],
  'transfer-encoding: chunked of a text': [text(header('transfer-encoding', 'chunked')), 500],
  'transfer-encoding: chunked of a stream': [stream(header('transfer-encoding', 'chunked')), 200, 500],
  'transfer-encoding and content-length of a stream': [
    stream(header('transfer-encoding', 'chunked'), header('content-length', '9')),
    500
  ],
  'connection: close': [header('connection', 'close'), 200],
  'keep-alive': [header('keep-alive', 'timeout=5'), 200, 500],
  'the wrong content-length of a text': [text(header('content-length', '5')), 200],
  'no number as content-length of a text': [text(header('content-length', '0x9')), 200],
  'no number as content-length of a stream': [stream(header('content-length', 'abc')), 500],
  'two values of content-length': [text(header('content-length', ['1', '2'])), 200, 500],
  'two values of etag': [header('etag', ['"1"', '"2"']), 200, 500],
  'a trailer header without trailers': [header('trailer', 'x-sum'), 500, 200],
  'a trailer that nobody could name': [(reply) => {
    reply.trailer('x sum', async () => 'a')
  }, 500],
  'a trailer whose name has a line end': [(reply) => {
    reply.trailer('x\nsum', async () => 'a')
  }, 500],
  'a trailer and a content-length': [
    text(header('content-length', '9'), (reply) => {
      reply.trailer('x-sum', async () => 'a')
    }),
    200
  ],
  'an informational status': [
    (reply) => {
      reply.code(103)
    },
    500,
    500
  ],
  'an object with a BigInt': [() => ({ n: 1n }), 500],
  'a blob': [() => new Blob(['a']), 200]
}

async function sendAll (
  t: Test,
  talk: (setup: Setup, path: string) => Promise<WatchedPromise>,
  column: 1 | 2,
  http2: boolean
): Promise<void> {
  failOnCrash(t)
  turn = 0
  const running = await setup(t, {
    database: db,
    fastify: http2 ? { http2: true } as object : {},
    routes: (app) => {
      for (const [index, [act]] of Object.values(acts).entries()) {
        app.post(`/${index}`, transactional, async (request, reply) => {
          await insert(request, 1)
          return act(reply) ?? { fine: true }
        })
      }
    }
  })
  for (const [index, [name, act]] of Object.entries(acts).entries()) {
    const reported = await talk(running, `/${index}`)
    t.equal(reported.status, act[column] ?? act[1], name)
    await isTruth(t, db, reported, name)
  }
}

test('K10 what Node refuses is refused before the COMMIT, over HTTP/1.1', async (t) => {
  await sendAll(t, (running, path) => ask(running, 'POST', path), 1, false)
})

test('K10 what Node refuses is refused before the COMMIT, over HTTP/2', async (t) => {
  const warnings: Error[] = []
  const warn = (warning: Error) => {
    warnings.push(warning)
  }
  process.on('warning', warn)
  await sendAll(t, ({ origin }, path) => post(openSession(t, origin), path).reported, 2, true)
  process.off('warning', warn)
  t.same(
    warnings.filter(({ message }) => !message.includes('connection')),
    [],
    'no warning but of the header connection, which Node drops'
  )
})
