import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { request as httpRequest } from 'node:http'
import t, { type Test } from 'tap'
import type { App } from '../../app.ts'
import { FairQueue } from '../../plugins/common/fair-queue.ts'
import { mongoDatabase } from '../../plugins/mongo/index.ts'
import { thingRoutes } from '../fixture/things.ts'
import { build, listen } from '../helper.ts'
import { until } from '../until.ts'

function open (t: Test, origin: string): Socket {
  const socket = connect(Number(new URL(origin).port), '127.0.0.1')
  socket.on('error', () => {})
  t.teardown(() => {
    socket.destroy()
  })
  return socket
}

function countConnections (app: App): Promise<number> {
  return new Promise((resolve, reject) => {
    app.server.getConnections((error, count) => {
      if (error === null) resolve(count)
      else reject(error)
    })
  })
}

const LONG = { name: 'long', text: 'x'.repeat(100_000), made_at: new Date() }

t.test('F52 who does not take an answer is cut off, and its memory is free', async (t) => {
  const app = await build(t, {
    plugins: thingRoutes,
    settings: { SEND_TIMEOUT_MS: 1, ANSWERS_IN_FLIGHT_MB: 1, PROJECTIONS: false }
  })
  await mongoDatabase(app).collection('notes').insertMany(Array.from({ length: 10 }, () => ({ ...LONG })))
  const origin = await listen(t, app)
  const get = 'GET /notes HTTP/1.1\r\nhost: x\r\n\r\n'
  const silent = open(t, origin).pause()
  silent.write(get.repeat(40))
  await until('the connection is open', async () => await countConnections(app) === 1)
  await until('the connection is cut', async () => await countConnections(app) === 0)
  await until('nothing is in flight', () => app.answersInFlight.count === 0)
  t.equal(app.answersInFlight.size, 0)
  t.equal((await fetch(`${origin}/notes?limit=1`)).status, 200)
})

t.test('while too much waits to be taken, lists are refused and the rest is answered', async (t) => {
  const app = await build(t, {
    plugins: thingRoutes,
    settings: { SEND_TIMEOUT_MS: 0, ANSWERS_IN_FLIGHT_MB: 1, PROJECTIONS: false }
  })
  await mongoDatabase(app).collection('notes').insertMany(Array.from({ length: 10 }, () => ({ ...LONG })))
  const origin = await listen(t, app)
  const readers = Array.from({ length: 12 }, () => open(t, origin).pause())
  for (const reader of readers) reader.write('GET /notes HTTP/1.1\r\nhost: x\r\n\r\n'.repeat(5))
  await until('a megabyte is in flight', () => app.answersInFlight.size > 1_048_576)
  const refused = await app.inject('/things')
  t.equal(refused.statusCode, 503)
  t.equal(refused.headers['retry-after'], '1')
  t.equal((await app.inject('/livez')).statusCode, 200)
  t.equal((await app.inject('/things/4711')).statusCode, 404)
  for (const reader of readers) reader.destroy()
  await until('nothing is in flight', () => app.answersInFlight.count === 0)
  t.equal((await app.inject('/things')).statusCode, 200)
})

t.test('a fair queue lets groups in by turns', async (t) => {
  const queue = new FairQueue({ limit: 2, maxWaiting: 4, longestWaitMs: 60_000 })
  const admitted: string[] = []
  const refused: string[] = []
  const enter = (group: string, name: string) =>
    queue.enter(group, (isAdmitted) => {
      ;(isAdmitted ? admitted : refused).push(name)
    })
  const first = enter('a', 'a1')
  const second = enter('a', 'a2')
  const third = enter('a', 'a3')
  enter('a', 'a4')
  enter('b', 'b1')
  enter('c', 'c1')
  enter('d', 'd1')
  t.same(admitted, ['a1', 'a2'])
  t.same(refused, ['d1'], 'no more than four wait')
  first.leave()
  first.leave()
  t.same(admitted, ['a1', 'a2', 'a3'], 'once each')
  second.leave()
  t.equal(admitted.at(-1), 'b1', 'before the fourth of a')
  third.leave()
  t.equal(admitted.at(-1), 'c1')
  t.same([queue.inside, queue.waiting, queue.refused], [2, 1, 1])
  queue.clear()
  t.same(refused, ['d1', 'a4'])
})

async function countLocks (app: App, where = ''): Promise<number> {
  const { rows } = await app.pg.pool.query(
    `SELECT count(*)::int AS n FROM pg_locks l JOIN pg_stat_activity a USING (pid)
     WHERE l.locktype IN ('transactionid', 'tuple') AND a.datname = current_database() ${where}`
  )
  return (rows[0] as { n: number }).n
}

t.test('a stranger is answered between the lists that one socket has pipelined', async (t) => {
  const app = await build(t, { plugins: thingRoutes, settings: { LIST_CONCURRENCY: 1, PROJECTIONS: false } })
  const origin = await listen(t, app)
  const queue = app.concurrency.get('GET /notes')
  const greedy = open(t, origin)
  greedy.write('GET /notes HTTP/1.1\r\nhost: x\r\n\r\n'.repeat(300))
  await until('lists wait', () => (queue?.waiting ?? 0) > 0)
  const answer = await fetch(`${origin}/notes`)
  t.equal(answer.status, 200)
  greedy.destroy()
  await until('nobody waits', () => queue?.waiting === 0 && queue.inside === 0)
})

t.test('F58 writers of a row that a handler holds leave connections to strangers', async (t) => {
  let release = () => {}
  const isHeld = new Promise<void>((resolve) => {
    release = resolve
  })
  const app = await build(t, {
    settings: {
      DATABASE_POOL_SIZE: 6,
      DATABASE_MAX_OVERFLOW: 0,
      DATABASE_LOCK_TIMEOUT_MS: 9000,
      DATABASE_STATEMENT_TIMEOUT_MS: 9500,
      ROW_CONCURRENCY: 2,
      PROJECTIONS: false
    },
    plugins: async (app) => {
      await thingRoutes(app)
      app.post('/hold/:id', { config: { transaction: true } }, async (request) => {
        await request.transaction.query('SELECT 1 FROM things WHERE id = $1 FOR UPDATE', [
          (request.params as { id: string }).id
        ])
        await isHeld
        return {}
      })
    }
  })
  const send = async (method: 'POST' | 'PUT' | 'PATCH', url: string, payload = {}) =>
    await app.inject({ method, url, payload })
  const { id } = (await send('POST', '/things', { name: 'a' })).json()
  const holder = send('POST', `/hold/${id}`)
  await until('the row is held', async () => await countLocks(app) > 0)
  const writers = Array.from(
    { length: 60 },
    (_, at) => send(at % 2 === 0 ? 'PATCH' : 'PUT', `/things/${id}`, { name: `n${at}` })
  )
  await until('two wait in PostgreSQL', async () => await countLocks(app, 'AND NOT granted') > 0)
  const stranger = await send('POST', '/things', { name: 'b' })
  t.equal(stranger.statusCode, 201, stranger.body)
  t.ok(app.pg.pool.totalCount - app.pg.pool.idleCount <= 4, 'the holder and two writers have a connection')
  release()
  t.equal((await holder).statusCode, 200)
  const statuses = (await Promise.all(writers)).map(({ statusCode }) => statusCode)
  t.same(statuses.filter((status) => status !== 200), [])
})

t.test('who leaves before its turn takes none', async (t) => {
  const app = await build(t, {
    plugins: async (app) => {
      app.get('/slow', { config: { concurrency: 1 } }, async () => {
        await new Promise((resolve) => {
          release = resolve as () => void
        })
        return {}
      })
    }
  })
  let release: (() => void) | undefined
  const origin = await listen(t, app)
  const queue = [...app.concurrency].find(([name]) => name === 'GET /slow')?.[1]
  const first = fetch(`${origin}/slow`)
  await until('the first is inside', () => release !== undefined)
  const left = open(t, origin)
  left.write('GET /slow HTTP/1.1\r\nhost: x\r\n\r\n'.repeat(20))
  await until('twenty wait', () => queue?.waiting === 20)
  t.match(await app.metrics.text(), /tandem_route_waiting_requests\{http_request_method="GET",http_route="\/slow"\} 20/)
  left.destroy()
  await until('nobody waits', () => queue?.waiting === 0)
  release?.()
  t.equal((await first).status, 200)
  await until('nobody is inside', () => queue?.inside === 0)
})

t.test('a body that is too large is answered, however long its client goes on sending', async (t) => {
  const app = await build(t, { plugins: thingRoutes })
  const origin = await listen(t, app)
  for (let i = 0; i < 10; i++) {
    const status = await new Promise((resolve, reject) => {
      const request = httpRequest(`${origin}/things`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' }
      }, (response) => {
        response.resume().once('end', () => {
          resolve(response.statusCode)
        })
      }).once('error', reject)
      request.end(Buffer.alloc(8_388_608, 32))
    })
    t.equal(status, 413)
  }
})

t.test('F53 closing waits for requests that are handled, not for connections without one', async (t) => {
  let release: (() => void) | undefined
  const app = await build(t, {
    settings: { SHUTDOWN_GRACE_MS: 600_000 },
    plugins: async (app) => {
      app.post('/wait', async () => {
        await new Promise((resolve) => {
          release = resolve as () => void
        })
        return {}
      })
    }
  })
  const origin = await listen(t, app)
  const unused = open(t, origin)
  const halfHead = open(t, origin)
  halfHead.write('POST /wait HTTP/1.1\r\nhost: x\r\n')
  const halfBody = open(t, origin)
  halfBody.write('POST /wait HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{')
  for (const socket of [unused, halfHead, halfBody]) if (socket.connecting) await once(socket, 'connect')
  const handled = fetch(`${origin}/wait`, { method: 'POST' })
  await until('the request is handled', () => release !== undefined)
  const closed = app.close()
  await Promise.all([unused, halfHead, halfBody].map((socket) => once(socket, 'close')))
  release?.()
  t.equal((await handled).status, 200)
  await closed
})
