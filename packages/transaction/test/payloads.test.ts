// Replies whose body is a stream, a fetch Response, or nothing at all.
import { createReadStream, createWriteStream, readdirSync, readlinkSync } from 'node:fs'
import { PassThrough, Readable, Stream } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { createGzip } from 'node:zlib'
import type { FastifyReply } from 'fastify'
import t from 'tap'
import { database, logLines, signal, setup, test, transactional, comesTrue, type Database } from './harness.ts'
import { ask, failOnCrash, isTruth, openSession, post, reaches } from './truth.ts'
import { insert } from './statements.ts'

let db: Database
t.before(async () => {
  db = await database(t)
})

/** A stream as Node 0.8 had them. */
function legacy (events: Array<[string, unknown?]>): Stream {
  const stream = Object.assign(new Stream(), { readable: true, destroy () {} })
  setImmediate(() => {
    for (const [event, value] of events) stream.emit(event, value)
  })
  return stream
}
/** What undici and node-fetch give: not the Response of Node, but named like it. */
function foreign (parts: object): object {
  return { [Symbol.toStringTag]: 'Response', headers: new Headers({ 'x-own': 'yes' }), bodyUsed: false, ...parts }
}
const web = (...texts: string[]) =>
  new ReadableStream({
    pull (controller) {
      const text = texts.shift()
      if (text === undefined) controller.close()
      else controller.enqueue(new TextEncoder().encode(text))
    }
  })
const failingWeb = () =>
  new ReadableStream({
    async pull (controller) {
      await sleep(10)
      controller.error(new Error('the source failed'))
    }
  })
const closed = () => {
  const stream = new Readable({ read () {} })
  setImmediate(() => stream.destroy())
  return stream
}

/** What is sent, the status, and the text where it matters. */
const payloads: Record<string, [(reply: FastifyReply) => unknown, number | string, string?]> = {
  'a foreign Response': [() => foreign({ status: 201, body: web('one ', 'two') }), 201, 'one two'],
  'a foreign Response with a Node stream': [() => foreign({ status: 200, body: Readable.from(['one']) }), 200, 'one'],
  'a foreign Response with a text': [() => foreign({ status: 200, body: 'one' }), 200, 'one'],
  'a foreign Response of an error': [() => foreign({ status: 409, body: web('no') }), 409, 'no'],
  'a foreign Response of an error whose Node stream fails': [() => foreign({ status: 409, body: closed() }), 409],
  'a foreign Response of a success after code(409)': [
    (reply) => {
      reply.code(409)
      return foreign({ status: 200, body: web('one') })
    },
    200,
    'one'
  ],
  'a foreign Response without status and headers': [
    () => foreign({ status: undefined, headers: undefined, body: 'one' }),
    200,
    'one'
  ],
  'a Response whose body fails': [() => new Response(failingWeb()), 500],
  'a Response without a body': [() => new Response(null, { status: 204 }), 204, ''],
  'Response.error()': [() => Response.error(), 500],
  'a web stream of objects': [() =>
    new ReadableStream({
      start (controller) {
        controller.enqueue({ an: 'object' })
        controller.close()
      }
    }), 500],
  'a web stream of objects in an error': [(reply) => {
    reply.code(409)
    return new ReadableStream({
      start (controller) {
        controller.enqueue({ an: 'object' })
      }
    })
  }, 409],
  'texts of a generator': [() => Readable.from(['one ', 'two']), 200, 'one two'],
  'an object after a text': [() => Readable.from(['one', { an: 'object' }]), 500],
  'an object long after a text': [() =>
    Readable.from((async function* () {
      yield 'one'
      await sleep(50)
      yield { an: 'object' }
    })()), 'ECONNRESET'],
  'a stream that was read already': [
    () => {
      const stream = Readable.from([])
      stream.resume()
      return stream
    },
    200,
    ''
  ],
  'a legacy stream': [
    () => legacy([['data', 'one '], ['data', Buffer.from('two')], ['end'], ['close']]),
    200,
    'one two'
  ],
  'a legacy stream that fails': [() => legacy([['error', new Error('the source failed')]]), 500],
  'a legacy stream that is closed': [() => legacy([['close']]), 500],
  'a legacy stream of objects': [() => legacy([['data', { an: 'object' }], ['end']]), 500],
  'a stream that can only be written': [() => createWriteStream('/dev/null'), 500],
  'gzip': [() => createReadStream(import.meta.filename).pipe(createGzip()), 200],
  'gzip of a file that is not there': [() => {
    const gzip = createGzip()
    createReadStream('/nothing').on('error', (error) => gzip.destroy(error)).pipe(gzip)
    return gzip
  }, 500],
  'a stream that fails in an error': [(reply) => {
    reply.code(409)
    return closed()
  }, 409]
}

test('K9 streams and Responses decide like a plain reply', async (t) => {
  failOnCrash(t)
  const running = await setup(t, {
    database: db,
    routes: (app) => {
      for (const [index, [payload]] of Object.values(payloads).entries()) {
        app.post(`/${index}`, transactional, async (request, reply) => {
          await insert(request, 1)
          return payload(reply)
        })
      }
    }
  })
  for (const [index, [name, [, status, text]]] of Object.entries(payloads).entries()) {
    const reported = await ask(running, 'POST', `/${index}`)
    t.equal(reported.status, status, name)
    if (text !== undefined) t.equal(reported.text, text, `${name}: the whole text`)
    if (status !== 'ECONNRESET') await isTruth(t, db, reported, name)
    await db.admin.query('truncate item')
  }
})

test('K8 a stream may fail while COMMIT or ROLLBACK runs, and while a beforeReply callback is waited for', async (t) => {
  failOnCrash(t)
  const running = await setup(t, {
    database: db,
    routes: (app) => {
      const failing = (stream: Readable | Stream, when: Promise<unknown>) => {
        const error = new Error('the source failed')
        void when.then(() => stream instanceof Readable ? stream.destroy(error) : stream.emit('error', error))
        return stream
      }
      for (
        const [kind, make] of Object.entries({
          node: () => new PassThrough(),
          legacy: () => Object.assign(new Stream(), { readable: true, destroy () {} })
        })
      ) {
        app.post(`/${kind}/commit`, transactional, async (request) => {
          await insert(request, 1)
          await request.transaction.query('insert into slow values (1, 100)')
          const stream = make()
          setImmediate(() => {
            if (stream instanceof PassThrough) stream.write('a')
            else stream.emit('data', 'a')
          })
          return failing(stream, reaches(request, 'committing'))
        })
        app.post(`/${kind}/rollback`, transactional, async (request, reply) => {
          await insert(request, 1)
          reply.code(409)
          return failing(make(), reaches(request, 'rolling back'))
        })
        app.post(`/${kind}/before-reply`, transactional, async (request) => {
          await insert(request, 1)
          const { given, give } = signal()
          request.transaction.beforeReply(async () => {
            give()
            await sleep(20)
            return undefined
          })
          await request.transaction.commit()
          return failing(make(), given)
        })
      }
    }
  })
  for (const kind of ['node', 'legacy']) {
    for (const moment of ['commit', 'before-reply']) {
      t.equal(
        (await ask(running, 'POST', `/${kind}/${moment}`)).status,
        'ECONNRESET',
        `${kind}, ${moment}: nobody can know`
      )
      await db.admin.query('truncate item, slow')
    }
    const reported = await ask(running, 'POST', `/${kind}/rollback`)
    t.ok(Number(reported.status) >= 400, `${kind}, rollback`)
    await isTruth(t, db, reported, `${kind}, rollback`)
  }
})

/** Files of this process that lead to this test. */
function openFiles (): number {
  return readdirSync('/proc/self/fd').filter((name) => {
    try {
      return readlinkSync(`/proc/self/fd/${name}`) === import.meta.filename
    } catch {
      return false
    }
  }).length
}

if (process.platform === 'linux') {
  test('K11 the stream of a reply that is not sent is closed', async (t) => {
    failOnCrash(t)
    const file = () => createReadStream(import.meta.filename)
    const running = await setup(t, {
      database: db,
      routes: (app) => {
        app.post('/commit-fails', transactional, async (request) => {
          await request.transaction.query('insert into child values (1, 99)')
          return file()
        })
        app.post('/refused', transactional, async (request, reply) => {
          await insert(request, 1)
          reply.header('x-bad', 'a\nb')
          return file()
        })
        app.post('/second', transactional, async (request, reply) => {
          await insert(request, 1)
          reply.send({})
          return file()
        })
        app.post('/second-late', transactional, async (request, reply) => {
          await insert(request, 1)
          await request.transaction.query('insert into slow values (1, 50)')
          reply.send({})
          await reaches(request, 'committing')
          reply.send(file())
          return await reply
        })
        app.post('/twice-the-same', transactional, async (request, reply) => {
          await insert(request, 1)
          const stream = file()
          reply.send(stream)
          return stream
        })
        app.post('/response', transactional, async (request) => {
          await request.transaction.query('insert into child values (1, 99)')
          return new Response(Readable.toWeb(file()) as ReadableStream)
        })
        app.head('/head', transactional, async (request) => {
          await insert(request, 1)
          return file()
        })
      }
    })
    for (
      const [method, path, status] of [
        ['POST', '/commit-fails', 500],
        ['POST', '/refused', 500],
        ['POST', '/second', 200],
        ['POST', '/second-late', 200],
        ['POST', '/response', 500],
        ['POST', '/twice-the-same', 200],
        ['HEAD', '/head', 200]
      ] as const
    ) {
      const reported = await ask(running, method, path)
      t.equal(reported.status, status, path)
      if (path === '/twice-the-same') {
        t.ok(reported.text.includes('every byte of this line'), 'a stream that is sent twice arrives')
      }
      await isTruth(t, db, reported, path)
      await db.admin.query('truncate slow')
    }
    t.ok(
      await comesTrue(() => openFiles() === 0),
      'no file stays open'
    )
  })
}

test('K9 HEAD, 204, 205 and 304 have no body, and wait for none', async (t) => {
  failOnCrash(t)
  for (const strict of [false, true]) {
    const running = await setup(t, {
      database: db,
      fastify: { http: { rejectNonStandardBodyWrites: strict } } as object,
      routes: (app) => {
        const endless = () => new Readable({ read () {} })
        app.head('/head', transactional, async (request) => {
          await insert(request, 1)
          return 'a text'
        })
        app.head('/head-endless', transactional, async (request) => {
          await insert(request, 1)
          return endless()
        })
        app.head('/head-conflict', transactional, async (request, reply) => {
          await insert(request, 1)
          return await reply.code(409).send()
        })
        app.get('/get', transactional, async (request) => {
          await insert(request, 1)
          return { a: 'value' }
        })
        app.get('/get-endless', transactional, async (request) => {
          await insert(request, 1)
          return endless()
        })
        for (const code of [204, 205, 304]) {
          app.post(`/${code}`, transactional, async (request, reply) => {
            await insert(request, 1)
            reply.code(code)
            return 'a text'
          })
          app.post(`/${code}-endless`, transactional, async (request, reply) => {
            await insert(request, 1)
            reply.code(code)
            return endless()
          })
          app.post(`/${code}-web`, transactional, async (request, reply) => {
            await insert(request, 1)
            reply.code(code)
            return new ReadableStream()
          })
        }
      }
    })
    for (
      const [method, path, status, length] of [
        ['HEAD', '/head', 200, '6'],
        ['HEAD', '/head-endless', 200],
        ['HEAD', '/head-conflict', 409],
        ['HEAD', '/get', 200, '13'],
        ['HEAD', '/get-endless', 200],
        ['POST', '/204', 204],
        ['POST', '/204-endless', 204],
        ['POST', '/204-web', 204],
        ['POST', '/205', 205, '0'],
        ['POST', '/205-endless', 205, '0'],
        ['POST', '/205-web', 205, '0'],
        ['POST', '/304', 304],
        ['POST', '/304-endless', 304],
        ['POST', '/304-web', 304]
      ] as const
    ) {
      const reported = await ask(running, method, path)
      t.equal(reported.status, status, `${method} ${path}`)
      t.equal(reported.text, '')
      if (length !== undefined) t.equal(reported.headers['content-length'], length)
      await isTruth(t, db, reported, `${method} ${path}`)
    }
  }
})

test('K9 a trailer that fails is left out; the reply goes on', async (t) => {
  failOnCrash(t)
  const { lines, logger } = logLines()
  const trailers: Record<
    string,
    (reply: unknown, payload: unknown, done: (error: null, value: null) => void) => unknown
  > = {
    throws: () => {
      throw new Error('no sum')
    },
    rejects: async () => {
      throw new Error('no sum')
    },
    'rejects-late': async () => {
      await sleep(10)
      throw new Error('no sum')
    },
    'line-end': async () => 'two\nlines',
    undefined: async () => undefined,
    null: (_reply, _payload, done) => {
      done(null, null)
    },
    symbol: async () => Symbol('a')
  }
  const bodies: Record<string, () => unknown> = {
    object: () => ({ fine: true }),
    stream: () => Readable.from(['a ', 'text']),
    nothing: () => null
  }
  for (const http2 of [false, true]) {
    const running = await setup(t, {
      database: db,
      fastify: { logger, ...(http2 ? { http2 } : {}) } as object,
      routes: (app) => {
        for (const [kind, trailer] of Object.entries(trailers)) {
          for (const [name, body] of Object.entries(bodies)) {
            app.post(`/${kind}/${name}`, transactional, async (request, reply) => {
              await insert(request, 1)
              reply.trailer('x-bad', trailer as never)
              reply.trailer('x-good', async () => 'yes')
              return body()
            })
          }
        }
      }
    })
    for (const kind of Object.keys(trailers)) {
      for (const name of Object.keys(bodies)) {
        const reported = http2
          ? await post(openSession(t, running.origin), `/${kind}/${name}`).reported
          : await ask(running, 'POST', `/${kind}/${name}`)
        t.equal(reported.status, 200, `${kind}, ${name}, HTTP/${http2 ? 2 : 1}`)
        await isTruth(t, db, reported, kind)
      }
    }
  }
  t.ok(
    lines.filter(({ msg }) => msg === 'a trailer failed and was left out').length >= Object.keys(trailers).length * 3
  )
})
// every byte of this line is read by a test above
