// Clients that leave where neither the response nor its socket says so: behind another reply, over HTTP/2, before the
// first statement.
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { connect as connectHttp2 } from 'node:http2'
import { setTimeout as sleep } from 'node:timers/promises'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import t, { type Test } from 'tap'
import { database, sendTo, signal, setup, test, comesTrue, type Database, type Setup } from './harness.ts'
import { failOnCrash, openSession, post } from './truth.ts'
import { insert } from './statements.ts'

let db: Database
t.before(async () => {
  db = await database(t)
})

const endings: Record<string, (request: FastifyRequest) => unknown> = {
  value: () => ({ fine: true }),
  nothing: () => undefined,
  statement: (request) => insert(request, 2),
  never: () => new Promise(() => {})
}
const moments = ['before', 'after'] as const

/** Lets a test stop the handler before or after its first statement. */
interface Gate {
  arrived: ReturnType<typeof signal>
  left: ReturnType<typeof signal>
}
let gate: Gate
const close = () => {
  gate = { arrived: signal(), left: signal() }
}

function addRoutes (app: FastifyInstance, clientAbort: 'rollback' | 'continue'): void {
  for (const [name, ending] of Object.entries(endings)) {
    const config = { transaction: { clientAbort, deadline: name === 'never' ? 300 : 10_000 } }
    for (const moment of moments) {
      app.post(`/${clientAbort}/${name}/${moment}`, { config }, async (request) => {
        const { arrived, left } = gate
        if (moment === 'after') await insert(request, 1)
        arrived.give()
        await left.given
        if (moment === 'before') await insert(request, 1)
        return await ending(request)
      })
    }
  }
}

const getBytes = (path: string) =>
  `POST ${path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}`
const slow = 'GET /slow HTTP/1.1\r\nHost: x\r\n\r\n'

async function open ({ origin }: Setup): Promise<Socket> {
  const socket = connect(Number(new URL(origin).port), '127.0.0.1')
  socket.on('error', () => {})
  await once(socket, 'connect')
  return socket
}

/** All paths of a client abort; `leave` sends the request, waits for its handler and goes away. */
async function leaveEverywhere (t: Test, running: Setup, leave: (path: string) => Promise<void>): Promise<void> {
  for (const clientAbort of ['rollback', 'continue'] as const) {
    for (const name of Object.keys(endings)) {
      for (const moment of moments) {
        const path = `/${clientAbort}/${name}/${moment}`
        close()
        await leave(path)
        await sleep(20)
        if (clientAbort === 'rollback') {
          t.ok(
            await comesTrue(() => running.pool.idleCount === running.pool.totalCount),
            `${path}: the connection is back at once`
          )
        }
        gate.left.give()
        const expected = clientAbort === 'rollback' || name === 'never' ? [] : name === 'statement' ? [1, 2] : [1]
        t.ok(
          await comesTrue(async () =>
            running.pool.idleCount === running.pool.totalCount &&
            JSON.stringify(await db.ids()) === JSON.stringify(expected)
          ),
          `${path}: ${JSON.stringify(expected)} is stored`
        )
        await sleep(10)
        t.same(await db.ids(), expected, `${path}: and nothing later`)
        await db.admin.query('truncate item')
      }
    }
  }
}

function routes (app: FastifyInstance): void {
  app.get('/slow', async () => {
    await gate.left.given
    await sleep(50)
    return { slow: true }
  })
  addRoutes(app, 'rollback')
  addRoutes(app, 'continue')
}

test('K4 a client that leaves while its reply is queued behind another is noticed', async (t) => {
  failOnCrash(t)
  const running = await setup(t, { database: db, routes })
  await leaveEverywhere(t, running, async (path) => {
    const socket = await open(running)
    socket.write(slow + getBytes(path))
    await gate.arrived.given
    socket.destroy()
  })
})

test('K4 a client that has had replies on its connection, and one that closes its half', async (t) => {
  failOnCrash(t)
  const running = await setup(t, { database: db, routes })
  await leaveEverywhere(t, running, async (path) => {
    const socket = await open(running)
    socket.write(getBytes('/after-the-test'))
    await once(socket, 'data')
    socket.write(getBytes(path))
    await gate.arrived.given
    if (path.includes('nothing')) socket.end()
    else socket.destroy()
  })
})

test('K4 an HTTP/2 stream that is reset, and a session that breaks', async (t) => {
  failOnCrash(t)
  const running = await setup(t, { database: db, fastify: { http2: true } as object, routes })
  const session = openSession(t, running.origin)
  await leaveEverywhere(t, running, async (path) => {
    const { reset } = post(session, path)
    await gate.arrived.given
    reset()
  })
  await leaveEverywhere(t, running, async (path) => {
    const other = connectHttp2(running.origin)
    other.on('error', () => {})
    post(other, path)
    await gate.arrived.given
    other.destroy()
  })
})

test('K4 twenty requests of one connection that is cut leave the pool to others', async (t) => {
  failOnCrash(t)
  let begun = 0
  const running = await setup(t, {
    database: db,
    routes: (app) => {
      routes(app)
      for (let id = 0; id < 20; id++) {
        app.post(`/many/${id}`, { config: { transaction: { deadline: 20_000 } } }, async (request) => {
          begun++
          await insert(request, id)
          await gate.left.given
        })
      }
    }
  })
  for (const behind of ['', slow]) {
    close()
    begun = 0
    const socket = await open(running)
    const other = await open(running)
    socket.write(behind + Array.from({ length: 20 }, (_, id) => getBytes(`/many/${id}`)).join(''))
    other.write(slow)
    t.ok(await comesTrue(() => begun === 20 && running.pool.idleCount === 0))
    socket.destroy()
    t.ok(
      await comesTrue(() => running.pool.idleCount === running.pool.totalCount && running.pool.waitingCount === 0),
      'all connections are back'
    )
    t.equal((await running.send('POST', '/after-the-test')).status, 200, 'a stranger is served')
    gate.left.give()
    await sleep(20)
    t.same(await db.ids(), [])
    other.destroy()
  }
})

test('K4 a client that leaves before its handler, and in the middle of a body that is read as a stream', async (t) => {
  failOnCrash(t)
  const hook = signal()
  let reached = 0
  const running = await setup(t, {
    database: db,
    routes: (app) => {
      app.addContentTypeParser('application/x-raw', (_request, payload, done) => {
        done(null, payload)
      })
      app.post('/raw', { config: { transaction: true } }, async (request) => {
        await insert(request, 1)
        gate.arrived.give()
        for await (const chunk of request.body as AsyncIterable<unknown>) void chunk
        return {}
      })
      app.post('/hook', {
        config: { transaction: true },
        preHandler: async () => {
          reached++
          await hook.given
        }
      }, async (request) => {
        reached++
        await insert(request, 1)
        return {}
      })
    }
  })
  close()
  const raw = await open(running)
  raw.write('POST /raw HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-raw\r\nContent-Length: 100\r\n\r\nabc')
  await gate.arrived.given
  raw.destroy()
  t.ok(await comesTrue(() => running.pool.idleCount === running.pool.totalCount))
  const early = await open(running)
  early.write(getBytes('/hook'))
  t.ok(await comesTrue(() => reached === 1))
  early.destroy()
  await sleep(20)
  hook.give()
  await comesTrue(() => reached === 2)
  await sleep(20)
  t.same(await db.ids(), [])
})

/** Ways in which a handler ends the connection itself, before it returns in the same tick. */
const destructions: Record<string, (request: FastifyRequest, reply: FastifyReply) => void> = {
  response: (_request, reply) => {
    reply.raw.destroy()
  },
  socket: (request) => {
    request.raw.socket.destroy()
  }
}

for (const isHttp2 of [false, true]) {
  test(`a handler that destroys the connection has no client, over HTTP/${isHttp2 ? 2 : 1}`, async (t) => {
    const states: Array<() => string> = []
    const { origin } = await setup(t, {
      database: db,
      ...(isHttp2 ? { fastify: { http2: true } as object } : {}),
      routes: (app) => {
        for (const clientAbort of ['rollback', 'continue'] as const) {
          for (const [name, destroy] of Object.entries(destructions)) {
            app.post(
              `/${clientAbort}/${name}`,
              { config: { transaction: { clientAbort } } },
              async (request, reply) => {
                await insert(request, 1)
                states.push(() => request.transaction.state)
                if (isHttp2 && name === 'socket') (reply.raw as unknown as Http2Reply).stream.session.destroy()
                else destroy(request, reply)
                return { a: 1 }
              }
            )
          }
        }
      }
    })
    for (const clientAbort of ['rollback', 'continue'] as const) {
      for (const name of Object.keys(destructions)) {
        const path = `/${clientAbort}/${name}`
        if (isHttp2) await askHttp2(origin, path)
        else await sendTo(origin)('POST', path).catch(() => {})
        t.ok(await comesTrue(() => ['committed', 'rolled back'].includes(states.at(-1)?.() ?? '')), path)
        t.same(await db.ids(), clientAbort === 'continue' ? [1] : [], path)
        await db.admin.query('delete from item')
      }
    }
  })
}

interface Http2Reply {
  stream: { session: { destroy: () => void } }
}

/** Asks over HTTP/2, and waits until the session is over. */
async function askHttp2 (origin: string, path: string): Promise<void> {
  const session = connectHttp2(origin).on('error', () => {})
  const stream = session.request({ ':method': 'POST', ':path': path, 'content-type': 'application/json' })
  stream.on('error', () => {}).resume().end('{}')
  await new Promise((resolve) => {
    stream.once('close', resolve)
  })
  session.destroy()
}
