import { createServer } from 'node:http'
import { connect, type AddressInfo } from 'node:net'
import { once } from 'node:events'
import { PassThrough } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import t, { type Test } from 'tap'
import { MongoClient } from 'mongodb'
import pg from 'pg'
import type { App } from '../../app.ts'
import { thingRoutes } from '../fixture/things.ts'
import { build, comesTrue, listen } from '../helper.ts'

interface Sample {
  labels: Record<string, unknown>
  value: number
}

async function countProblems (app: App): Promise<Record<string, number>> {
  const { values } = await app.metrics.registry.getSingleMetric('tandem_problems_total')?.get() ?? { values: [] }
  return Object.fromEntries((values as Sample[]).map(({ labels, value }) => [String(labels.type), value]))
}

/** A port on which nothing listens. */
async function closedPort (): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

/** A service that cuts each connection, with a reset. */
async function resettingPort (t: Test): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  server.on('connection', (socket) => socket.resetAndDestroy())
  await once(server, 'listening')
  t.teardown(() => server.close())
  return (server.address() as AddressInfo).port
}

async function askMongo (port: number): Promise<unknown> {
  const client = new MongoClient(`mongodb://127.0.0.1:${port}/?serverSelectionTimeoutMS=200`)
  try {
    return await client.db('elsewhere').collection('things').findOne({})
  } finally {
    await client.close()
  }
}

async function dial (port: number, host = '127.0.0.1'): Promise<never> {
  const socket = connect(port, host)
  const [error] = await once(socket, 'error').catch((error: unknown) => [error]) as [Error]
  throw error
}

t.test('F56 what the connection of a call of the handler says is not said of the database', async (t) => {
  const [closed, reset] = [await closedPort(), await resettingPort(t)]
  const calls: Record<string, () => Promise<unknown>> = {
    refused: () => dial(closed),
    reset: async () => {
      const socket = connect(reset, '127.0.0.1')
      socket.write('x')
      throw (await once(socket, 'error'))[0] as Error
    },
    name: () => dial(80, 'no.such.host.invalid'),
    fetched: () => fetch(`http://127.0.0.1:${closed}`),
    wrapped: async () => {
      throw new Error('payment failed', { cause: await dial(closed).catch((error: unknown) => error) })
    },
    postgres: () => new pg.Client({ host: '127.0.0.1', port: closed }).connect(),
    mongodb: () => askMongo(closed),
    'mongodb-reset': () => askMongo(reset),
    words: () => Promise.reject(new Error('Connection terminated unexpectedly'))
  }
  const app = await build(t, {
    plugins: async (app) => {
      for (const [name, call] of Object.entries(calls)) {
        app.post(`/calls/${name}`, async (request) => {
          await request.transaction.query('SELECT 1')
          await call()
          return {}
        })
        app.get(`/calls/${name}`, call)
      }
    }
  })
  for (const name of Object.keys(calls)) {
    for (const method of ['GET', 'POST'] as const) {
      const reply = await app.inject({ method, url: `/calls/${name}` })
      t.match(reply.json(), { status: 500, type: '/docs/problems#internal' }, `${method} ${name}`)
      t.equal(reply.headers['retry-after'], undefined)
    }
  }
  t.same(Object.keys(await countProblems(app)), ['internal'])
})

t.test('what the connection of the database says is', async (t) => {
  const app = await build(t, {
    plugins: async (app) => {
      app.get('/cut', async () => await app.pg.pool.query('SELECT pg_terminate_backend(pg_backend_pid())'))
      app.get('/cut-client', async () => {
        const client = await app.pg.connect()
        try {
          return await client.query('SELECT pg_terminate_backend(pg_backend_pid()), pg_sleep(5)')
        } finally {
          client.release(true)
        }
      })
      app.get('/destroyed', async () => {
        const client = await app.pg.connect()
        const running = client.query('SELECT pg_sleep(5)')
        client.connection.stream.destroy(Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' }))
        return await running.finally(() => {
          client.release(true)
        })
      })
    }
  })
  for (const url of ['/cut', '/cut-client', '/destroyed']) {
    t.match((await app.inject(url)).json(), { status: 503, type: '/docs/problems#database-unavailable' }, url)
  }
})

t.test('F56 a client that hangs up is no fault of the service', async (t) => {
  const lines: string[] = []
  const seen = { running: false }
  const app = await build(t, {
    logger: { level: 'debug', stream: { write: (line) => void lines.push(line) } },
    plugins: async (app) => {
      await thingRoutes(app)
      app.addContentTypeParser('application/octet-stream', (_request, payload, done) => {
        done(null, payload)
      })
      app.post('/upload', { config: { transaction: false } }, async (request) => {
        seen.running = true
        await pipeline(request.raw, new PassThrough().resume())
        return {}
      })
      app.post('/own', { config: { transaction: false } }, async (request) => {
        seen.running = true
        const sink = new PassThrough()
        sink.destroy(Object.assign(new Error('write ECONNRESET'), { code: 'ECONNRESET' }))
        await pipeline(request.raw, sink)
        return {}
      })
    }
  })
  const port = Number(new URL(await listen(t, app)).port)
  async function hangUp (url: string, type: string, body: string, length = 1000): Promise<void> {
    seen.running = false
    const socket = connect(port, '127.0.0.1').on('error', () => {})
    socket.write(`POST ${url} HTTP/1.1\r\nhost: x\r\ncontent-type: ${type}\r\ncontent-length: ${length}\r\n\r\n${body}`)
    await comesTrue(() => lines.some((line) => line.includes('incoming request') && line.includes(url)))
    if (type !== 'application/json') await comesTrue(() => seen.running)
    socket.resetAndDestroy()
  }
  const count = async (type: string) => (await countProblems(app))[type] ?? 0

  await hangUp('/things', 'application/json', '{"name":')
  t.ok(await comesTrue(async () => await count('client-error') === 1), 'in its body, on a route of the database')
  await hangUp('/upload', 'application/octet-stream', 'abc')
  t.ok(await comesTrue(async () => await count('client-error') === 2), 'in a stream')
  t.same(Object.keys(await countProblems(app)), ['client-error'])
  t.notMatch(lines.filter((line) => /"level":(40|50)/.test(line)), /./, 'no warning and no error')
  const aborted = (await app.metrics.registry.getSingleMetric('http_server_request_duration_seconds')?.get())?.values ??
    []
  t.ok((aborted as Sample[]).every(({ labels }) => ['', 'aborted'].includes(String(labels.error_type))))

  await hangUp('/own', 'application/octet-stream', 'abc')
  t.ok(await comesTrue(async () => await count('internal') === 1), 'but what the handler itself fails with is')
})
