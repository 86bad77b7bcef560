import { setTimeout as sleep } from 'node:timers/promises'
import type { Scenario } from '../scenario.ts'

const wrote = { writes: [1] }

/** The client goes away between a statement and the rest of the handler. */
function leaves (name: string, method: 'GET' | 'POST', rest: () => unknown): Scenario {
  return {
    name,
    routes: (fixture) => {
      fixture.route(async (request) => {
        await fixture.insert(request, 1)
        fixture.step('inserted').reached()
        await fixture.step('gone').wait
        return await rest()
      }, { method })
    },
    act: async (client) => {
      const sent = client.send(method, '/', wrote)
      await client.step('inserted').wait
      await sent.abort()
      client.step('gone').reached()
    }
  }
}

/** Nobody answers until Fastify's connectionTimeout cuts the connection. */
function cutOff (method: 'GET' | 'POST'): Scenario {
  return {
    name: `the handler never ends, connectionTimeout (${method === 'GET' ? 'no body' : 'body'})`,
    server: { connectionTimeout: 300 },
    routes: (fixture) => {
      fixture.route(async (request) => {
        await fixture.insert(request, 1)
        await new Promise(() => {})
      }, { method })
    },
    act: (client) => client.send(method, '/', wrote).reported
  }
}

const never = (): Promise<never> => new Promise(() => {})
const GET_SLOW = 'GET /slow HTTP/1.1\r\nhost: scenarios\r\n\r\n'
const POST = 'POST / HTTP/1.1\r\nhost: scenarios\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}'

/** A reply that waits behind another one on its socket never hears that the socket is gone. */
function pipelines (name: string, rest: () => unknown): Scenario {
  return {
    name,
    routes: (fixture) => {
      fixture.app.get('/slow', async () => {
        await sleep(2500)
        return {}
      })
      fixture.route(async (request) => {
        await fixture.insert(request, 1)
        fixture.step('inserted').reached()
        await fixture.step('gone').wait
        return await rest()
      })
    },
    act: async (client) => {
      const socket = client.raw(GET_SLOW + POST)
      await client.step('inserted').wait
      await socket.leave()
      client.step('gone').reached()
      if (!await client.until(() => client.pool().checkedOut === 0, 1500)) client.note('K')
      if ((await client.look('select id from item')).length > 0) client.note('P')
    }
  }
}

const queuedReplies: Scenario[] = [
  pipelines('a client that pipelines leaves, the handler returns', () => ({})),
  pipelines('a client that pipelines leaves, the handler returns undefined', () => undefined)
]

/** HTTP/2: the request is taken back, before its first statement or after it. */
function resets (name: string, isBefore: boolean): Scenario {
  return {
    name,
    isHttp2: true,
    routes: (fixture) => {
      fixture.route(async (request) => {
        if (!isBefore) await fixture.insert(request, 1)
        fixture.step('running').reached()
        await fixture.step('gone').wait
        if (isBefore) {
          await fixture.insert(request, 1).finally(() => {
            fixture.step('tried').reached()
          })
        }
        return {}
      })
    },
    act: async (client) => {
      const sent = client.sendHttp2('/', wrote)
      await client.step('running').wait
      await sent.reset()
      client.step('gone').reached()
      if (isBefore) await client.step('tried').wait
      await client.until(() => client.pool().checkedOut === 0, 1500)
    }
  }
}

const http2Resets: Scenario[] = [
  resets('HTTP/2: the request is reset before its first statement', true),
  resets('HTTP/2: the request is reset after its first statement', false)
]

/** Clients that go away. */
export const clients: Scenario[] = [
  leaves('the client leaves, the handler returns (no body)', 'GET', () => ({})),
  leaves('the client leaves, the handler returns (body)', 'POST', () => ({})),
  leaves('the client leaves, the handler returns undefined', 'POST', () => undefined),
  leaves('the client leaves, the handler never ends (no body)', 'GET', never),
  leaves('the client leaves, the handler never ends (body)', 'POST', never),
  cutOff('GET'),
  cutOff('POST'),
  {
    name: 'the client leaves during a statement of 3 s',
    routes: (fixture) => {
      fixture.route(async (request) => {
        await fixture.insert(request, 1)
        await fixture.query(request, 'select pg_sleep(3)')
        return {}
      })
    },
    act: async (client) => {
      const sent = client.send('POST', '/', wrote)
      await client.until(() => client.isRunning('pg_sleep(3)'))
      await sent.abort()
    }
  },
  {
    name: 'the client leaves while its request waits for a connection',
    pool: { max: 1 },
    routes: (fixture) => {
      fixture.route(async (request) => {
        await fixture.insert(request, 1)
        await fixture.step('free').wait
        return {}
      }, { url: '/holds' })
      fixture.route(async (request) => {
        await fixture.insert(request, 2)
        return {}
      }, { url: '/waits' })
    },
    act: async (client) => {
      const holder = client.send('POST', '/holds', { ...wrote, answers: [200] })
      await client.until(() => client.pool().checkedOut === 1)
      const waiter = client.send('POST', '/waits', { writes: [2] })
      await client.until(() => client.pool().waiting === 1)
      await waiter.abort()
      client.step('free').reached()
      await holder.reported
    }
  },
  {
    name: 'the client leaves during COMMIT',
    routes: (fixture) => {
      fixture.route(async (request) => {
        await fixture.insert(request, 1)
        await fixture.query(request, 'insert into slow values (1, 400)')
        return {}
      })
    },
    act: async (client) => {
      const sent = client.send('POST', '/', { ...wrote, mayStore: true })
      await client.until(() => client.isRunning('commit'))
      await sent.abort()
    }
  },
  ...queuedReplies,
  ...http2Resets
]
