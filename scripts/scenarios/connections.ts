import { once } from 'node:events'
import { connect } from 'node:net'
import { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import type { RouteShorthandOptions } from 'fastify'
import { judge, wasEarly } from './ground.ts'
import { until } from './http.ts'
import type { Finding, Ground, Scenario } from './types.ts'

const hasOne = (ids: number[]) => ids.includes(1)

function streaming (name: string, status: number | undefined, payload: () => unknown): Scenario {
  return {
    name,
    routes (ground, route) {
      ground.app.post('/', route({}), async (request) => {
        await ground.insert(request, 1)
        return payload()
      })
    },
    async run (ground) {
      const answer = await ground.send('POST', '/').catch(() => undefined)
      await sleep(50)
      const isStored = hasOne(await ground.ids())
      // After its first byte a broken reply can only break the connection; its work is committed.
      if (status === undefined) return answer === undefined && isStored ? wasEarly(ground) : ['wrong']
      return [...judge(answer, status, isStored), ...status < 400 ? wasEarly(ground) : []]
    }
  }
}

function broken (...texts: string[]): Readable {
  return new Readable({
    read () {
      const text = texts.shift()
      setTimeout(() => { if (text === undefined) this.destroy(new Error('the source failed')); else this.push(text) }, 20)
    }
  })
}

const web = () => new ReadableStream({ start (controller) { controller.enqueue(new TextEncoder().encode('text')); controller.close() } })

const streams: Scenario[] = [
  streaming('a stream', 200, () => Readable.from(['one', 'two'])),
  streaming('a web stream', 200, web),
  streaming('a stream that fails before its first byte', 500, () => broken()),
  streaming('a stream that fails after its first byte', undefined, () => broken('one'))
]

/** A backend that is killed while `path` runs. */
function killed (name: string, statement: string, isCommit: boolean): Scenario {
  return {
    name,
    routes (ground, route) {
      ground.app.post('/', route({}), async (request) => {
        await ground.insert(request, 1)
        await ground.query(request, statement)
        return {}
      })
    },
    async run (ground) {
      const sent = ground.send('POST', '/')
      const pid = await ground.running(isCommit ? 'commit' : statement)
      await ground.admin.query('select pg_terminate_backend($1)', [pid])
      const answer = await sent.catch(() => undefined)
      const isStored = hasOne(await ground.ids())
      if (answer !== undefined && answer.status >= 500 && !isStored) return []
      return judge(answer, 500, isStored)
    }
  }
}

const kills: Scenario[] = [
  killed('the backend is killed in a query', 'select pg_sleep(5)', false),
  {
    name: 'the backend is killed between two queries',
    routes (ground, route) {
      ground.app.post('/', route({}), async (request) => {
        const { rows } = await ground.query(request, 'insert into item values (1) returning pg_backend_pid() as pid')
        await ground.admin.query('select pg_terminate_backend($1)', [(rows[0] as { pid: number }).pid])
        await sleep(50)
        await ground.query(request, 'select 1')
        return {}
      })
    },
    run: async (ground) => {
      const answer = await ground.send('POST', '/').catch(() => undefined)
      return answer !== undefined && answer.status >= 500 ? judge(answer, answer.status, hasOne(await ground.ids())) : ['wrong']
    }
  },
  {
    name: 'idle backends are killed',
    routes (ground, route) { ground.app.post('/', route({}), async (request) => { await ground.insert(request, 1); return {} }) },
    async run (ground) {
      const clients = await Promise.all([1, 2, 3].map(() => ground.pool.connect()))
      for (const client of clients) client.release()
      await ground.admin.query("select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and application_name <> 'scenarios'")
      await sleep(50)
      return judge(await ground.send('POST', '/').catch(() => undefined), 200, hasOne(await ground.ids()))
    }
  },
  killed('the backend is killed in COMMIT', 'insert into slow values (1, 5000)', true)
]

/** A request that is answered before its handler must not have taken a connection. */
function refused (name: string, status: number, options: RouteShorthandOptions): Scenario {
  return {
    name,
    routes (ground, route) { ground.app.post('/', { ...route({}), ...options }, async (request) => { await ground.insert(request, 1); return {} }) },
    run: async (ground) => judge(await ground.send('POST', '/').catch(() => undefined), status, hasOne(await ground.ids()))
  }
}

/** Held: a connection that is taken although nothing needs it. */
const held: Scenario[] = [
  refused('401 from onRequest', 401, { onRequest: async (_request, reply) => await reply.code(401).send({}) }),
  refused('400 from validation', 400, { schema: { body: { type: 'object', required: ['id'] } } }),
  refused('403 from preHandler', 403, { preHandler: async (_request, reply) => await reply.code(403).send({}) }),
  {
    name: 'a handler without a query',
    routes (ground, route) { ground.app.post('/', route({}), async () => ({})) },
    async run (ground) {
      const answer = await ground.send('POST', '/').catch(() => undefined)
      return ground.pool.totalCount > 0 ? ['slow'] : judge(answer, 200, true)
    }
  },
  {
    name: 'a slow upload',
    routes (ground, route) { ground.app.post('/', route({}), async (request) => { await ground.insert(request, 1); return {} }) },
    async run (ground) {
      const socket = connectTo(ground)
      socket.write('POST / HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n{"a":')
      await sleep(100)
      const findings: Finding[] = ground.pool.totalCount > 0 ? ['slow'] : []
      socket.write('"b"}')
      await once(socket, 'data')
      socket.destroy()
      return findings
    }
  },
  {
    name: 'a client that reads 40 MB slowly',
    routes (ground, route) { ground.app.post('/', route({}), async (request) => { await ground.insert(request, 1); return Buffer.alloc(40_000_000, 'x') }) },
    async run (ground) {
      const socket = connectTo(ground)
      socket.write('POST / HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}')
      await once(socket, 'readable')
      const findings: Finding[] = await until(() => ground.pool.idleCount === ground.pool.totalCount, 200) ? [] : ['slow']
      socket.destroy()
      return [...findings, ...wasEarly(ground)]
    }
  },
  {
    name: 'the pool is exhausted',
    pool: { max: 1, connectionTimeoutMillis: 150 },
    routes (ground, route) {
      ground.app.post('/holds', route({}), async (request) => { await ground.query(request, 'select pg_sleep(0.6)'); return {} })
      ground.app.post('/', route({}), async (request) => { await ground.insert(request, 1); return {} })
    },
    async run (ground) {
      const holder = ground.send('POST', '/holds')
      await ground.running('pg_sleep(0.6)')
      const answer = await ground.send('POST', '/').catch(() => undefined)
      await holder.catch(() => undefined)
      if (answer?.status === 503 && answer.headers['retry-after'] === undefined) return ['wrong']
      return judge(answer, 503, hasOne(await ground.ids()))
    }
  },
  {
    name: 'the app closes while a transaction is open',
    closes: true,
    fastify: { forceCloseConnections: false },
    routes (ground, route) {
      ground.app.post('/', route({}), async (request) => {
        await ground.insert(request, 1)
        void ground.app.close()
        await sleep(80)
        await ground.query(request, 'select 1')
        return {}
      })
    },
    run: async (ground) => judge(await ground.send('POST', '/').catch(() => undefined), 200, hasOne(await ground.ids()))
  }
]

function connectTo ({ origin }: Ground) {
  const { hostname, port } = new URL(origin)
  return connect(Number(port), hostname)
}

/** Streams, killed backends, and connections that are taken without need. */
export const connections: Scenario[] = [...streams, ...kills, ...held]
