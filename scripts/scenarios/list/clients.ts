import { setTimeout as sleep } from 'node:timers/promises'
import type { Scenario } from '../scenario.ts'

const wrote = { writes: [1] }

/** The client goes away between a statement and the rest of the handler. */
function leaves (name: string, method: 'GET' | 'POST', rest: () => unknown): Scenario {
  return {
    name,
    routes: (scene) => {
      scene.route(async (request) => {
        await scene.insert(request, 1)
        scene.step('inserted').reached()
        await scene.step('gone').wait
        return await rest()
      }, { method })
    },
    act: async (actor) => {
      const sent = actor.send(method, '/', wrote)
      await actor.step('inserted').wait
      await sent.abort()
      actor.step('gone').reached()
    }
  }
}

/** Nobody answers until Fastify's connectionTimeout cuts the connection. */
function cutOff (method: 'GET' | 'POST'): Scenario {
  return {
    name: `the handler never ends, connectionTimeout (${method === 'GET' ? 'no body' : 'body'})`,
    server: { connectionTimeout: 300 },
    routes: (scene) => {
      scene.route(async (request) => {
        await scene.insert(request, 1)
        await new Promise(() => {})
      }, { method })
    },
    act: (actor) => actor.send(method, '/', wrote).told
  }
}

const never = (): Promise<never> => new Promise(() => {})
const GET_SLOW = 'GET /slow HTTP/1.1\r\nhost: scenarios\r\n\r\n'
const POST = 'POST / HTTP/1.1\r\nhost: scenarios\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}'

/** A reply that waits behind another one on its socket is never told that the socket is gone. */
function pipelines (name: string, rest: () => unknown): Scenario {
  return {
    name,
    routes: (scene) => {
      scene.app.get('/slow', async () => {
        await sleep(2500)
        return {}
      })
      scene.route(async (request) => {
        await scene.insert(request, 1)
        scene.step('inserted').reached()
        await scene.step('gone').wait
        return await rest()
      })
    },
    act: async (actor) => {
      const socket = actor.raw(GET_SLOW + POST)
      await actor.step('inserted').wait
      await socket.leave()
      actor.step('gone').reached()
      if (!await actor.until(() => actor.pool().checkedOut === 0, 1500)) actor.note('K')
      if ((await actor.look('select id from item')).length > 0) actor.note('P')
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
    routes: (scene) => {
      scene.route(async (request) => {
        if (!isBefore) await scene.insert(request, 1)
        scene.step('running').reached()
        await scene.step('gone').wait
        if (isBefore) {
          await scene.insert(request, 1).finally(() => {
            scene.step('tried').reached()
          })
        }
        return {}
      })
    },
    act: async (actor) => {
      const sent = actor.sendHttp2('/', wrote)
      await actor.step('running').wait
      await sent.reset()
      actor.step('gone').reached()
      if (isBefore) await actor.step('tried').wait
      await actor.until(() => actor.pool().checkedOut === 0, 1500)
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
    routes: (scene) => {
      scene.route(async (request) => {
        await scene.insert(request, 1)
        await scene.query(request, 'select pg_sleep(3)')
        return {}
      })
    },
    act: async (actor) => {
      const sent = actor.send('POST', '/', wrote)
      await actor.until(() => actor.isRunning('pg_sleep(3)'))
      await sent.abort()
    }
  },
  {
    name: 'the client leaves while its request waits for a connection',
    pool: { max: 1 },
    routes: (scene) => {
      scene.route(async (request) => {
        await scene.insert(request, 1)
        await scene.step('free').wait
        return {}
      }, { url: '/holds' })
      scene.route(async (request) => {
        await scene.insert(request, 2)
        return {}
      }, { url: '/waits' })
    },
    act: async (actor) => {
      const holder = actor.send('POST', '/holds', { ...wrote, answers: [200] })
      await actor.until(() => actor.pool().checkedOut === 1)
      const waiter = actor.send('POST', '/waits', { writes: [2] })
      await actor.until(() => actor.pool().waiting === 1)
      await waiter.abort()
      actor.step('free').reached()
      await holder.told
    }
  },
  {
    name: 'the client leaves during COMMIT',
    routes: (scene) => {
      scene.route(async (request) => {
        await scene.insert(request, 1)
        await scene.query(request, 'insert into slow values (1, 400)')
        return {}
      })
    },
    act: async (actor) => {
      const sent = actor.send('POST', '/', { ...wrote, mayStore: true })
      await actor.until(() => actor.isRunning('commit'))
      await sent.abort()
    }
  },
  ...queuedReplies,
  ...http2Resets
]
