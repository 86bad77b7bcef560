// Bytes that the program writes past Fastify: from callbacks, after the reply, while COMMIT runs, over HTTP/2 streams.
import { PassThrough, Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import type { FastifyReply, FastifyRequest } from 'fastify'
import t from 'tap'
import { database, logLines, setup, test, transactional, comesTrue, type Database } from './harness.ts'
import { ask, failOnCrash, isTruth, openSession, post, reaches } from './truth.ts'
import { insert } from './statements.ts'

let db: Database
t.before(async () => {
  db = await database(t)
})

type Handler = (request: FastifyRequest, reply: FastifyReply) => Promise<unknown>
const chunks = () =>
  Readable.from((async function* () {
    await sleep(5)
    yield 'a'
    await sleep(5)
    yield 'b'
  })())
const orphan = (request: FastifyRequest) => request.transaction.query('insert into child values (1, 99)')
const slowCommit = (request: FastifyRequest) => request.transaction.query('insert into slow values (1, 60)')

const sleeping = "select from pg_stat_activity where query = 'select pg_sleep(64)' and state = 'active'"

/** What is done to the reply while the transaction is open: all are refused. */
const refused: Record<string, (reply: FastifyReply) => void> = {
  'write in a listener': ({ raw }) => {
    chunks().on('data', (chunk: string) => {
      raw.write(chunk)
    }).on('end', () => {
      raw.end()
    })
  },
  'end in a timer': ({ raw }) => {
    setTimeout(() => {
      raw.end('by hand')
    }, 5)
  },
  'end without a text': ({ raw }) => {
    setImmediate(() => {
      raw.end()
    })
  },
  'writeHead in a timer': ({ raw }) => {
    setTimeout(() => {
      raw.writeHead(200)
    }, 5)
  },
  'flushHeaders': ({ raw }) => {
    setTimeout(() => {
      raw.flushHeaders()
    }, 5)
  },
  'hijack in a timer': (reply) => {
    setTimeout(() => {
      reply.hijack()
      reply.raw.end('by hand')
    }, 5)
  },
  'hijack at once': (reply) => {
    reply.hijack()
    reply.raw.end('by hand')
  },
  'a pipe': ({ raw }) => {
    chunks().pipe(raw)
  },
  'a pipe of an old pass-through': ({ raw }) => {
    const stream = new PassThrough()
    stream.pipe(raw)
    stream.end('by hand')
  }
}
/** Only over HTTP/2. */
const refusedStreams: Record<string, (stream: { [name: string]: (...args: unknown[]) => unknown }) => void> = {
  respond: (stream) => {
    stream['respond']?.({ ':status': 200 })
    stream['end']?.('by hand')
  },
  'respond without headers': (stream) => {
    stream['respond']?.()
  },
  respondWithFile: (stream) => {
    stream['respondWithFile']?.(import.meta.filename, { ':status': 200 })
  },
  write: (stream) => {
    stream['write']?.('by hand')
  },
  end: (stream) => {
    stream['end']?.('by hand')
  }
}

for (const http2 of [false, true]) {
  test(`K8 what is written by hand while the transaction is open is refused, over HTTP/${http2 ? 2 : 1}`, async (t) => {
    failOnCrash(t)
    const all = {
      ...refused,
      ...(http2
        ? Object.fromEntries(
          Object.entries(refusedStreams).map(([name, act]) => [`stream ${name}`, (reply: FastifyReply) => {
            act((reply.raw as unknown as { stream: Parameters<typeof act>[0] }).stream)
          }])
        )
        : {})
    }
    const running = await setup(t, {
      database: db,
      fastify: (http2 ? { http2 } : {}) as object,
      routes: (app) => {
        for (const [index, act] of Object.values(all).entries()) {
          app.post(`/value/${index}`, transactional, async (request, reply) => {
            await insert(request, 1)
            act(reply)
            await sleep(40)
            return { fine: true }
          })
          app.post(`/reply/${index}`, transactional, async (request, reply) => {
            await insert(request, 1)
            act(reply)
            return await reply
          })
          app.post(`/before/${index}`, transactional, async (request, reply) => {
            const inserted = insert(request, 1)
            act(reply)
            await inserted
            await sleep(40)
            return { fine: true }
          })
        }
      }
    })
    for (const [index, name] of Object.keys(all).entries()) {
      for (const kind of ['value', 'reply', 'before']) {
        const path = `/${kind}/${index}`
        const reported = http2
          ? await post(openSession(t, running.origin), path).reported
          : await ask(running, 'POST', path)
        t.equal(reported.status, 500, `${name}, ${kind}`)
        t.match(reported.text, /TX_USAGE/)
        await isTruth(t, db, reported, `${name}, ${kind}`)
      }
    }
  })
}

test('K8 a statement that a refusal stops does not answer in its place', async (t) => {
  failOnCrash(t)
  const acts: Record<string, (reply: FastifyReply) => void> = {
    'writeHead': (reply) => reply.raw.writeHead(200),
    'hijack': (reply) => reply.hijack(),
    'end': (reply) => reply.raw.end('by hand')
  }
  const { send } = await setup(t, {
    database: db,
    routes: (app) => {
      for (const [name, act] of Object.entries(acts)) {
        app.post(`/${name}`, transactional, async (request, reply) => {
          await insert(request, 1)
          const slow = request.transaction.query('select pg_sleep(64)')
          await comesTrue(async () => (await db.admin.query(sleeping)).rowCount === 1)
          act(reply)
          return (await slow).rows
        })
      }
    }
  })
  for (const name of Object.keys(acts)) {
    t.match(await send('POST', `/${name}`), { status: 500, json: { code: 'TX_USAGE' } }, name)
    t.same(await db.ids(), [])
  }
})

test('K8 nothing is written by hand over a transaction that failed', async (t) => {
  failOnCrash(t)
  const raw = (reply: FastifyReply) => {
    reply.raw.writeHead(200)
    reply.raw.end('by hand')
  }
  const handlers: Record<string, Handler> = {
    'a commit that failed': async (request, reply) => {
      await orphan(request)
      await request.transaction.commit().catch(() => {})
      raw(reply)
    },
    'a hijack after it': async (request, reply) => {
      await orphan(request)
      await request.transaction.commit().catch(() => {})
      reply.hijack()
      raw(reply)
    },
    'a deadline': async (request, reply) => {
      await insert(request, 1)
      await comesTrue(() => request.transaction.state === 'rolled back')
      raw(reply)
      return await reply
    },
    'a lost connection': async (request, reply) => {
      const { rows } = await request.transaction.query<{ pid: number }>('select pg_backend_pid() as pid')
      await db.admin.query('select pg_terminate_backend($1)', [rows[0]?.pid])
      await comesTrue(() => request.transaction.state === 'lost')
      raw(reply)
      return await reply
    },
    'the error of a failed COMMIT': async (request, reply) => {
      await orphan(request)
      const timer = setInterval(() => {
        if (reply.raw.writableEnded) clearInterval(timer)
        else reply.raw.end('by hand')
      }, 1)
      reply.raw.once('close', () => {
        clearInterval(timer)
      })
      return { fine: true }
    }
  }
  const running = await setup(t, {
    database: db,
    routes: (app) => {
      app.addHook('onError', async () => {
        await sleep(20)
      })
      for (const [index, [name, handler]] of Object.entries(handlers).entries()) {
        app.post(`/${index}`, { config: { transaction: { deadline: name === 'a deadline' ? 30 : 5000 } } }, handler)
      }
    }
  })
  for (const [index, name] of Object.keys(handlers).entries()) {
    const reported = await ask(running, 'POST', `/${index}`)
    t.ok(Number(reported.status) >= 500, `${name}: ${reported.status}`)
    await isTruth(t, db, reported, name)
  }
})

test('K8 a reply that is on its way is the one that arrives', async (t) => {
  failOnCrash(t)
  const late: Record<string, (reply: FastifyReply) => void> = {
    write: ({ raw }) => {
      raw.write('by hand')
    },
    end: ({ raw }) => {
      raw.end('by hand')
    },
    writeHead: ({ raw }) => {
      raw.writeHead(204)
    },
    hijack: (reply) => {
      reply.hijack()
      reply.raw.end('by hand')
    },
    pipe: ({ raw }) => {
      Readable.from(['by hand']).pipe(raw)
    },
    setHeader: ({ raw }) => {
      raw.setHeader('x-late', 'yes')
    }
  }
  for (const http2 of [false, true]) {
    const running = await setup(t, {
      database: db,
      fastify: (http2 ? { http2 } : {}) as object,
      routes: (app) => {
        for (const [name, act] of Object.entries(late)) {
          app.post(`/commit/${name}`, transactional, async (request, reply) => {
            await insert(request, 1)
            await slowCommit(request)
            void reaches(request, 'committing').then(() => {
              act(reply)
            })
            return { fine: true }
          })
          app.post(`/callback/${name}`, transactional, async (request, reply) => {
            await insert(request, 1)
            request.transaction.beforeReply(async () => {
              act(reply)
              await sleep(5)
              return undefined
            })
            return { fine: true }
          })
          app.post(`/rollback/${name}`, transactional, async (request, reply) => {
            await insert(request, 1)
            void reaches(request, 'rolling back').then(() => {
              if (!reply.raw.headersSent) {
                reply.raw.statusCode = 200
                act(reply)
              }
            })
            return await reply.code(409).send({ conflict: true })
          })
        }
      }
    })
    for (const name of Object.keys(late)) {
      for (const [moment, status] of [['commit', 200], ['callback', 200], ['rollback', 409]] as const) {
        const path = `/${moment}/${name}`
        const reported = http2
          ? await post(openSession(t, running.origin), path).reported
          : await ask(running, 'POST', path)
        t.equal(reported.status, status, `${name} during ${moment}, HTTP/${http2 ? 2 : 1}`)
        t.notOk(reported.text.includes('by hand'), reported.text)
        await isTruth(t, db, reported, path)
        await db.admin.query('truncate slow')
      }
    }
  }
})

test('K9 a reply that was hijacked before the first statement begins nothing and keeps nothing', async (t) => {
  failOnCrash(t)
  const { lines, logger } = logLines()
  const running = await setup(t, {
    database: db,
    fastify: { logger },
    routes: (app) => {
      app.post('/socket', transactional, async (request, reply) => {
        reply.hijack()
        reply.raw.writeHead(200)
        reply.raw.write('open ')
        await sleep(5)
        const error: unknown = await insert(request, 1).then(() => undefined, (refusal: unknown) => refusal)
        reply.raw.end(String(error))
      })
      app.post('/continues', { config: { transaction: { clientAbort: 'continue' } } }, async (request, reply) => {
        reply.hijack()
        await comesTrue(() => reply.raw.destroyed)
        await insert(request, 2)
      })
      app.post('/silent', transactional, async (_request, reply) => {
        reply.hijack()
      })
    }
  })
  t.match((await ask(running, 'POST', '/socket')).text, /^open TransactionUsageError: the reply/)
  for (const path of ['/silent', '/continues']) {
    const sent = running.send('POST', path)
    t.ok(
      await comesTrue(() =>
        lines.some(({ msg, req }) => msg === 'incoming request' && (req as { url: string }).url === path)
      )
    )
    await sleep(20)
    sent.abort()
  }
  t.ok(await comesTrue(() => lines.some(({ msg }) => msg === 'Promise errored, but reply.sent = true was set')))
  t.same(await db.ids(), [])
})

test('early hints may be sent, and an error may be written by hand', async (t) => {
  failOnCrash(t)
  const running = await setup(t, {
    database: db,
    routes: (app) => {
      app.post('/hints', transactional, async (request, reply) => {
        await insert(request, 1)
        reply.writeEarlyHints({ link: '</a.css>; rel=preload' })
        return {}
      })
      app.post('/continue', transactional, async (request, reply) => {
        await insert(request, 1)
        reply.raw.writeContinue()
        reply.raw.writeProcessing()
        return await reply.code(409).send({})
      })
      app.post('/error', transactional, async (request, reply) => {
        await insert(request, 1)
        setImmediate(() => {
          reply.raw.statusCode = 418
          reply.raw.write('tea')
          reply.raw.end('pot')
        })
        return await reply
      })
      app.post('/rolled-back', transactional, async (request, reply) => {
        await insert(request, 1)
        await request.transaction.rollback()
        reply.raw.end('by hand')
      })
    }
  })
  for (const [path, status] of [['/hints', 200], ['/continue', 409], ['/error', 418]] as const) {
    const reported = await ask(running, 'POST', path)
    t.equal(reported.status, status)
    await isTruth(t, db, reported, path)
  }
  t.equal((await ask(running, 'POST', '/rolled-back')).text, 'by hand', 'who has rolled back answers as it likes')
})
