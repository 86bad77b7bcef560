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

/** Keeps everything else from running. */
function block (milliseconds: number): void {
  for (const end = performance.now() + milliseconds; performance.now() < end;) { /* busy */ }
}

/** What the server says arrives in time, and is read late. */
function busy (name: string, milliseconds: number, isInCommit: boolean): Scenario {
  return {
    name,
    act: async (actor) => {
      // A connection that is there, so that the first statement is sent at once.
      await actor.send('POST', '/first', {}).told
      await actor.send('POST', '/', { ...wrote, answers: [200], within: 15_000 }).told
    },
    routes: (scene) => {
      scene.route(async (request) => (await scene.query(request, 'select 1')).rows, { url: '/first' })
      scene.route(async (request, reply) => {
        const stored = scene.insert(request, 1)
        if (!isInCommit) {
          setImmediate(() => {
            block(milliseconds)
          })
        }
        await stored
        // Sent by then: COMMIT leaves with the reply, and the loop turns before its answer is read.
        if (isInCommit) {
          setImmediate(() => {
            setImmediate(() => {
              block(milliseconds)
            })
          })
        }
        return await reply.send({})
      })
    }
  }
}

const bounds: Scenario[] = [
  busy('the process is busy for 1.3 s while a transaction begins', 1300, false),
  busy('the process is busy for 5.3 s while COMMIT runs', 5300, true),
  {
    name: 'a full pool that has no timeout: everybody is answered',
    pool: { max: 1, connectionTimeoutMillis: 0 },
    routes: (scene) => {
      scene.route(async (request) => {
        await scene.insert(request, 1)
        await new Promise(() => {})
      }, { url: '/holds' })
      scene.route(async (request) => {
        await scene.insert(request, 2)
        return {}
      }, { url: '/waits' })
    },
    act: async (actor) => {
      const holder = actor.send('POST', '/holds', { ...wrote, within: 16_500 })
      await actor.until(() => actor.pool().checkedOut === 1)
      await Promise.all([holder.told, actor.send('POST', '/waits', { writes: [2], within: 16_500 }).told])
    }
  }
]

/** What a request leaves in its session, and what it must know there. */
const sessions: Scenario[] = [
  {
    name: 'SET in one request is met by the next one',
    pool: { max: 1 },
    wishes: { resetSession: true },
    routes: (scene) => {
      scene.route(async (request) => (await scene.query(request, "set app.tenant = 'red'")).rows, { url: '/sets' })
      scene.route(
        async (request) =>
          (await scene.query(
            request,
            "select 'tenant: ' || coalesce(current_setting('app.tenant', true), '') as tenant"
          )).rows,
        { url: '/reads' }
      )
    },
    act: async (actor) => {
      await actor.send('POST', '/sets', { answers: [200] }).told
      await actor.send('POST', '/reads', { answers: [200], text: '"tenant: "' }).told
    }
  },
  {
    name: 'the tenant of row-level security is found out asynchronously',
    act: { text: 'red' },
    routes: (scene) => {
      scene.tenantRoute(
        async () => 'red',
        async (request) => (await scene.query(request, "select current_setting('app.tenant', true) as tenant")).rows
      )
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
    routes: (scene) => {
      scene.route(async () => ({}))
    }
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
  },
  ...bounds,
  ...sessions
]
