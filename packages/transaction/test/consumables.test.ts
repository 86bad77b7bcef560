// What a run reads to its end cannot be given to a second one: the handler then runs once, and the log says so once.
import { createHash } from 'node:crypto'
import { on, EventEmitter } from 'node:events'
import { open } from 'node:fs/promises'
import { Duplex, PassThrough, Readable, Writable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { createInterface } from 'node:readline'
import QueryStream from 'pg-query-stream'
import type { FastifyRequest } from 'fastify'
import t from 'tap'
import { holdsConsumable } from '../src/http/consumable.ts'
import { database, logLines, setup, test, type Database } from './harness.ts'
import { conflict, insert } from './statements.ts'

let db: Database
t.before(async () => {
  db = await database(t)
})

function* count (): Generator<number> {
  yield 1
}

async function* countSlowly (): AsyncGenerator<number> {
  yield await Promise.resolve(1)
}

/** What @fastify/multipart gives for a file. */
function part (file: Readable): object {
  const value: Record<string, unknown> = { type: 'file', filename: 'a.txt', file, toBuffer: async () => text(file) }
  return Object.assign(value, { fields: { file: value } })
}

class Session {
  visits = 0
  save (): void {}
}

const consumables: Record<string, () => unknown> = {
  'a stream': () => Readable.from(['1', '2']),
  'a transform': () => new PassThrough(),
  'a hash': () => createHash('sha256'),
  'a writable': () => new Writable(),
  'a duplex of two': () => Duplex.from({ readable: new PassThrough(), writable: new PassThrough() }),
  'a web stream': () => new Blob(['1']).stream(),
  'its reader': () => new Blob(['1']).stream().getReader(),
  'a web writable': () => new WritableStream(),
  'a web transform': () => new TransformStream(),
  'a decoder': () => new TextDecoderStream(),
  'a fetch body': () => new Response('1'),
  'a fetch request': () => new Request('http://host', { method: 'POST', body: '1' }),
  'a generator': () => count(),
  'an async generator': () => countSlowly(),
  'an iterator of a list': () => ['1', '2'].values(),
  'entries of a Map': () => new Map([[1, 1]]).entries(),
  'matches of a text': () => 'aa'.matchAll(/a/g),
  'an iterator by hand': () => ({ next: () => ({ done: true }) }),
  'events': () => on(new EventEmitter(), 'line'),
  'lines': () => createInterface({ input: new PassThrough() }),
  'a cursor': () => new QueryStream('select 1').cursor,
  'a query stream': () => new QueryStream('select 1'),
  'a file of multipart': () => part(Readable.from(['1'])),
  'a list of files': () => [part(Readable.from(['1']))],
  'a stream in plain objects': () => ({ a: { b: [{ c: Readable.from(['1']) }] } }),
  'a stream in an object without a prototype': () => Object.assign(Object.create(null) as object, { a: count() }),
  'a stream in a Map': () => new Map([['a', { file: Readable.from(['1']) }]]),
  'a stream as a key of a Map': () => new Map([[Readable.from(['1']), 1]]),
  'a stream under a symbol': () => ({ [Symbol('file')]: Readable.from(['1']) }),
  'what can be iterated once': () => ({ [Symbol.asyncIterator]: () => countSlowly() }),
  'a stream in a Set': () => new Set([[new PassThrough()]]),
  'a stream beside an object of a class': () => ({ session: new Session(), file: Readable.from(['1']) })
}

const others: Record<string, () => unknown> = {
  'an object of a class': () => new Session(),
  'a class with a stream inside': () => Object.assign(new Session(), { file: Readable.from(['1']) }),
  'nothing': () => null,
  'a function': () => count,
  'data': () => ({ list: [1, { a: new Date() }], map: new Map([[1, new Set(['a'])]]) }),
  'bytes': () => [Buffer.from('1'), new Uint8Array(2), new ArrayBuffer(2)],
  'what can be read again':
    () => [new Blob(['1']), new URLSearchParams('a=1'), new Headers({ a: '1' }), new FormData()],
  'an emitter': () => new EventEmitter(),
  'a promise': () => Promise.resolve(1),
  'a proxy that throws': () =>
    new Proxy({}, {
      has: () => {
        throw new Error('no')
      }
    }),
  'a getter that throws': () => ({
    get file (): never {
      throw new Error('no')
    }
  }),
  'a cycle': () => {
    const value: Record<string, unknown> = {}
    return Object.assign(value, { self: [value] })
  }
}

test('what is used up by reading or writing it', async (t) => {
  for (const [name, make] of Object.entries(consumables)) t.ok(holdsConsumable(make()), name)
  for (const [name, make] of Object.entries(others)) t.notOk(holdsConsumable(make()), name)
  const file = await open(import.meta.filename)
  t.ok(holdsConsumable({ file }), 'an opened file')
  await file.close()
  const read = Readable.from(['1'])
  await text(read)
  t.notOk(holdsConsumable(part(read)), 'a stream that was read before is the same for every run')
})

test('a handler is not run again with what its first run has used up', async (t) => {
  const { lines, logger } = logLines()
  const runs: Record<string, number> = {}
  const kinds = [...Object.entries(consumables), ...Object.entries(others)]
    .filter(([name]) => !name.endsWith('that throws'))
  const { send } = await setup(t, {
    database: db,
    fastify: { logger },
    routes: (app) => {
      for (const [name, make] of kinds) {
        for (const target of ['request', 'reply', 'symbol'] as const) {
          const url = `/${name.replace(/\W+/g, '-')}/${target}`
          const preHandler = async (request: FastifyRequest, reply: object) => {
            const key = target === 'symbol' ? Symbol('upload') : 'upload'
            const holder = target === 'reply' ? reply : request
            if (typeof make() !== 'function') Object.assign(holder, { [key]: make() })
          }
          app.post(url, { config: { transaction: { retries: 1 } }, preHandler }, async (request) => {
            runs[url] = (runs[url] ?? 0) + 1
            await insert(request, 1)
            await request.transaction.query(conflict)
          })
        }
      }
    }
  })
  for (const [name] of kinds) {
    for (const target of ['request', 'reply', 'symbol']) {
      const url = `/${name.replace(/\W+/g, '-')}/${target}`
      t.match(await send('POST', url), { status: 500, json: { code: '40001' } })
      t.equal((await send('POST', url)).status, 500)
      const isConsumable = name in consumables
      t.equal(runs[url], isConsumable ? 2 : 4, url)
      const reasons = lines.filter(({ route }) => route === `POST ${url}`).map(({ reason }) => String(reason))
      t.match(reasons, isConsumable ? [/stream, an iterator or an uploaded file \(upload\)/] : [], 'logged once')
      t.equal(reasons.length, isConsumable ? 1 : 0)
    }
  }
  t.same(await db.ids(), [])
})
