import { setTimeout as sleep } from 'node:timers/promises'
import type { FastifyRequest } from 'fastify'
import { judge } from './ground.ts'
import { signal, until } from './http.ts'
import type { Finding, Ground, Scenario } from './types.ts'

const hasOne = (ids: number[]) => ids.includes(1)
const isFree = ({ pool }: Ground) => pool.idleCount === pool.totalCount

/** A client that goes away once the handler has inserted row 1. */
function leaving (name: string, method: 'GET' | 'POST', rest: (request: FastifyRequest, ground: Ground) => unknown): Scenario {
  const reached = signal()
  const gone = signal()
  return {
    name,
    routes (ground, route) {
      ground.app.route({
        method,
        url: '/',
        ...route({}),
        handler: async (request) => {
          await ground.insert(request, 1)
          reached.give()
          await gone.given
          return await rest(request, ground)
        }
      })
    },
    async run (ground) {
      const sent = ground.send(method, '/')
      await reached.given
      sent.abort()
      await sleep(60)
      gone.give()
      await sleep(150)
      return hasOne(await ground.ids()) ? ['kept'] : []
    }
  }
}

const timeouts: Scenario[] = [
  {
    name: 'handlerTimeout while a query runs',
    routes (ground, route) {
      ground.app.get('/', { ...route({}), handlerTimeout: 150 }, async (request) => {
        await ground.insert(request, 1)
        await ground.query(request, 'select pg_sleep(2)')
        return {}
      })
    },
    async run (ground) {
      const sentAt = performance.now()
      const answer = await ground.send('GET', '/').catch(() => undefined)
      const findings: Finding[] = performance.now() - sentAt < 1200 && await until(() => isFree(ground), 700) ? [] : ['slow']
      await until(() => isFree(ground), 2500)
      return [...findings, ...judge(answer, 503, hasOne(await ground.ids()))]
    }
  },
  {
    name: 'handlerTimeout, then a late write',
    routes (ground, route) {
      ground.app.get('/', { ...route({}), handlerTimeout: 100 }, async (request) => {
        await ground.query(request, 'select 1')
        await sleep(250)
        await ground.insert(request, 1)
        return {}
      })
    },
    async run (ground) {
      const answer = await ground.send('GET', '/').catch(() => undefined)
      await sleep(350)
      return judge(answer, 503, hasOne(await ground.ids()))
    }
  },
  {
    name: 'handlerTimeout during a slow COMMIT',
    routes (ground, route) {
      ground.app.get('/', { ...route({}), handlerTimeout: 150 }, async (request) => {
        await ground.insert(request, 1)
        await ground.query(request, 'insert into slow values (1, 500)')
        return {}
      })
    },
    async run (ground) {
      const answer = await ground.send('GET', '/').catch(() => undefined)
      await sleep(700)
      return judge(answer, 200, hasOne(await ground.ids()))
    }
  },
  {
    name: 'connectionTimeout and a handler that never resolves',
    fastify: { connectionTimeout: 300 },
    routes (ground, route) {
      ground.app.post('/', route({}), async (request) => {
        await ground.insert(request, 1)
        await new Promise(() => {})
      })
    },
    async run (ground) {
      await ground.send('POST', '/').catch(() => undefined)
      return hasOne(await ground.ids()) ? ['kept'] : []
    }
  }
]

const waiting: Scenario[] = [
  {
    name: 'the client leaves during a 3 s query',
    routes (ground, route) {
      ground.app.post('/', route({}), async (request) => {
        await ground.insert(request, 1)
        await ground.query(request, 'select pg_sleep(3)')
        return {}
      })
    },
    async run (ground) {
      const sent = ground.send('POST', '/')
      await ground.running('pg_sleep(3)')
      sent.abort()
      const findings: Finding[] = await until(() => isFree(ground), 1000) ? [] : ['slow']
      await until(() => isFree(ground), 3500)
      await sleep(50)
      return [...findings, ...hasOne(await ground.ids()) ? ['kept' as const] : []]
    }
  },
  {
    name: 'the client leaves while queued for a connection',
    pool: { max: 1 },
    routes (ground, route) {
      ground.app.post('/holds', route({}), async (request) => {
        await ground.query(request, 'select pg_sleep(0.4)')
        return {}
      })
      ground.app.post('/queued', route({}), async (request) => {
        await ground.insert(request, 1)
        return {}
      })
    },
    async run (ground) {
      const holder = ground.send('POST', '/holds')
      await ground.running('pg_sleep(0.4)')
      const queued = ground.send('POST', '/queued')
      await until(() => ground.pool.waitingCount === 1)
      queued.abort()
      const answer = await holder.catch(() => undefined)
      await sleep(150)
      if (answer?.status !== 200) return ['wrong']
      return hasOne(await ground.ids()) ? ['kept'] : []
    }
  },
  {
    name: 'the client leaves during COMMIT',
    routes (ground, route) {
      ground.app.post('/', route({}), async (request) => {
        await ground.insert(request, 1)
        await ground.query(request, 'insert into slow values (1, 400)')
        return {}
      })
    },
    async run (ground) {
      const sent = ground.send('POST', '/')
      await ground.running('commit')
      sent.abort()
      await sleep(700)
      return hasOne(await ground.ids()) ? [] : ['wrong']
    }
  }
]

/** What clients and timeouts may do to a request. */
export const clients: Scenario[] = [
  leaving('the client leaves, the handler returns (no body)', 'GET', () => ({})),
  leaving('the client leaves, the handler returns (JSON body)', 'POST', () => ({})),
  leaving('the client leaves, the handler returns undefined', 'POST', () => undefined),
  leaving('the client leaves, the handler never resolves (no body)', 'GET', () => new Promise(() => {})),
  leaving('the client leaves, the handler never resolves (JSON body)', 'POST', () => new Promise(() => {})),
  ...waiting,
  ...timeouts
]
