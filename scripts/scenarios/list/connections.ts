import { setTimeout as sleep } from 'node:timers/promises'
import type { Actor, Scenario } from '../scenario.ts'

const wrote = { writes: [1] }

/** The database ends a session while its request does something. */
function killed (name: string, statement: string, victim: Parameters<Actor['kill']>): Scenario {
  return {
    name,
    routes: (scene) => {
      scene.route(async (request) => {
        await scene.insert(request, 1)
        if (statement !== '') await scene.query(request, statement)
        else await scene.step('killed').wait
        await scene.insert(request, 2)
        return {}
      })
    },
    act: async (actor) => {
      const sent = actor.send('POST', '/', { writes: [1, 2] })
      await actor.kill(...victim)
      actor.step('killed').reached()
      await sent.told
    }
  }
}

const killings: Scenario[] = [
  killed('the database ends the session during a statement', 'select pg_sleep(60)', ['active', 'pg_sleep(60)']),
  killed('the database ends the session between two statements', '', ['idle in transaction', 'insert into item']),
  killed('the database ends the session in COMMIT', 'insert into slow values (1, 60000)', ['active', 'commit']),
  {
    name: 'the database ends a session that nobody uses',
    routes: (scene) => {
      scene.route(async (request) => {
        await scene.insert(request, 1)
        return {}
      })
    },
    act: async (actor) => {
      await actor.send('POST', '/', { ...wrote, answers: [200] }).told
      await actor.kill('idle')
      await actor.look('truncate item')
      await actor.send('POST', '/', { ...wrote, answers: [200] }).told
    }
  }
]

const UPLOAD = 'POST / HTTP/1.1\r\nhost: scenarios\r\nconnection: close\r\ncontent-type: application/json\r\n'

/** Connections that are taken, held and waited for. */
export const connections: Scenario[] = [
  ...killings,
  {
    name: 'a handler without a statement takes no connection',
    act: { answers: [200] },
    needsNoConnection: true,
    routes: (scene) => { scene.route(async () => ({})) }
  },
  {
    name: 'a slow upload holds no connection',
    routes: (scene) => {
      scene.route(async (request) => {
        await scene.insert(request, 1)
        return {}
      })
    },
    act: async (actor) => {
      const upload = actor.raw(`${UPLOAD}content-length: 9\r\n\r\n{"a":`)
      await sleep(100)
      if (actor.pool().checkedOut > 0) actor.note('C')
      upload.write('"b"}')
      await upload.first
      upload.destroy()
    }
  },
  {
    name: 'a slow reader of 40 MB holds no connection',
    routes: (scene) => {
      scene.route(async (request) => {
        await scene.insert(request, 1)
        return Buffer.alloc(40_000_000, 'x')
      })
    },
    act: async (actor) => {
      const reader = actor.raw(`${UPLOAD}content-length: 2\r\n\r\n{}`)
      await reader.first
      if (!await actor.until(() => actor.pool().checkedOut === 0)) actor.note('C')
      reader.destroy()
    }
  },
  {
    name: 'no connection is free: 503, not 500',
    pool: { max: 1, connectionTimeoutMillis: 300 },
    routes: (scene) => {
      scene.route(async (request) => {
        await scene.insert(request, 1)
        await scene.step('free').wait
        return {}
      }, { url: '/holds' })
      scene.route(async (request) => await scene.insert(request, 2), { url: '/waits' })
    },
    act: async (actor) => {
      const holder = actor.send('POST', '/holds', { ...wrote, answers: [200] })
      await actor.until(() => actor.pool().checkedOut === 1)
      await actor.send('POST', '/waits', { writes: [2], answers: [503] }).told
      actor.step('free').reached()
      await holder.told
    }
  },
  {
    name: 'the app is closed while a transaction is open',
    server: { forceCloseConnections: false },
    routes: (scene) => {
      scene.route(async (request) => {
        await scene.insert(request, 1)
        scene.close().catch(() => {})
        await sleep(100)
        await scene.insert(request, 2)
        return {}
      })
    },
    act: { writes: [1, 2], answers: [200] }
  }
]
