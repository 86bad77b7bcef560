import { setTimeout as sleep } from 'node:timers/promises'
import type { Client, Scenario } from '../scenario.ts'

const wrote = { writes: [1] }

/** The database ends a session while its request does something. */
function killed (name: string, statement: string, victim: Parameters<Client['kill']>): Scenario {
  return {
    name,
    routes: (fixture) => {
      fixture.route(async (request) => {
        await fixture.insert(request, 1)
        if (statement !== '') await fixture.query(request, statement)
        else await fixture.step('killed').wait
        await fixture.insert(request, 2)
        return {}
      })
    },
    act: async (client) => {
      const sent = client.send('POST', '/', { writes: [1, 2] })
      await client.kill(...victim)
      client.step('killed').reached()
      await sent.reported
    }
  }
}

const killings: Scenario[] = [
  killed('the database ends the session during a statement', 'select pg_sleep(60)', ['active', 'pg_sleep(60)']),
  killed('the database ends the session between two statements', '', ['idle in transaction', 'insert into item']),
  killed('the database ends the session in COMMIT', 'insert into slow values (1, 60000)', ['active', 'commit']),
  {
    name: 'the database ends a session that nobody uses',
    routes: (fixture) => {
      fixture.route(async (request) => {
        await fixture.insert(request, 1)
        return {}
      })
    },
    act: async (client) => {
      await client.send('POST', '/', { ...wrote, answers: [200] }).reported
      await client.kill('idle')
      await client.look('truncate item')
      await client.send('POST', '/', { ...wrote, answers: [200] }).reported
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
    act: async (client) => {
      // A connection that is there, so that the first statement is sent at once.
      await client.send('POST', '/first', {}).reported
      await client.send('POST', '/', { ...wrote, answers: [200], within: 15_000 }).reported
    },
    routes: (fixture) => {
      fixture.route(async (request) => (await fixture.query(request, 'select 1')).rows, { url: '/first' })
      fixture.route(async (request, reply) => {
        const stored = fixture.insert(request, 1)
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
    routes: (fixture) => {
      fixture.route(async (request) => {
        await fixture.insert(request, 1)
        await new Promise(() => {})
      }, { url: '/holds' })
      fixture.route(async (request) => {
        await fixture.insert(request, 2)
        return {}
      }, { url: '/waits' })
    },
    act: async (client) => {
      const holder = client.send('POST', '/holds', { ...wrote, within: 16_500 })
      await client.until(() => client.pool().checkedOut === 1)
      await Promise.all([holder.reported, client.send('POST', '/waits', { writes: [2], within: 16_500 }).reported])
    }
  }
]

/** What a request leaves in its session, and what it must know there. */
const sessions: Scenario[] = [
  {
    name: 'SET in one request is met by the next one',
    pool: { max: 1 },
    wishes: { resetSession: true },
    routes: (fixture) => {
      fixture.route(async (request) => (await fixture.query(request, "set app.tenant = 'red'")).rows, { url: '/sets' })
      fixture.route(
        async (request) =>
          (await fixture.query(
            request,
            "select 'tenant: ' || coalesce(current_setting('app.tenant', true), '') as tenant"
          )).rows,
        { url: '/reads' }
      )
    },
    act: async (client) => {
      await client.send('POST', '/sets', { answers: [200] }).reported
      await client.send('POST', '/reads', { answers: [200], text: '"tenant: "' }).reported
    }
  },
  {
    name: 'the tenant of row-level security is found out asynchronously',
    act: { text: 'red' },
    routes: (fixture) => {
      fixture.tenantRoute(
        async () => 'red',
        async (request) => (await fixture.query(request, "select current_setting('app.tenant', true) as tenant")).rows
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
    routes: (fixture) => {
      fixture.route(async () => ({}))
    }
  },
  {
    name: 'a slow upload holds no connection',
    routes: (fixture) => {
      fixture.route(async (request) => {
        await fixture.insert(request, 1)
        return {}
      })
    },
    act: async (client) => {
      const upload = client.raw(`${UPLOAD}content-length: 9\r\n\r\n{"a":`)
      await sleep(100)
      if (client.pool().checkedOut > 0) client.note('C')
      upload.write('"b"}')
      await upload.first
      upload.destroy()
    }
  },
  {
    name: 'a slow reader of 40 MB holds no connection',
    routes: (fixture) => {
      fixture.route(async (request) => {
        await fixture.insert(request, 1)
        return Buffer.alloc(40_000_000, 'x')
      })
    },
    act: async (client) => {
      const reader = client.raw(`${UPLOAD}content-length: 2\r\n\r\n{}`)
      await reader.first
      if (!await client.until(() => client.pool().checkedOut === 0)) client.note('C')
      reader.destroy()
    }
  },
  {
    name: 'no connection is free: 503, not 500',
    pool: { max: 1, connectionTimeoutMillis: 300 },
    routes: (fixture) => {
      fixture.route(async (request) => {
        await fixture.insert(request, 1)
        await fixture.step('free').wait
        return {}
      }, { url: '/holds' })
      fixture.route(async (request) => await fixture.insert(request, 2), { url: '/waits' })
    },
    act: async (client) => {
      const holder = client.send('POST', '/holds', { ...wrote, answers: [200] })
      await client.until(() => client.pool().checkedOut === 1)
      await client.send('POST', '/waits', { writes: [2], answers: [503] }).reported
      client.step('free').reached()
      await holder.reported
    }
  },
  {
    name: 'the app is closed while a transaction is open',
    server: { forceCloseConnections: false },
    routes: (fixture) => {
      fixture.route(async (request) => {
        await fixture.insert(request, 1)
        fixture.close().catch(() => {})
        await sleep(100)
        await fixture.insert(request, 2)
        return {}
      })
    },
    act: { writes: [1, 2], answers: [200] }
  },
  ...bounds,
  ...sessions
]
