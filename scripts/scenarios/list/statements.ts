import { setTimeout as sleep } from 'node:timers/promises'
import { gzipSync } from 'node:zlib'
import type { Client, Scenario, Fixture } from '../scenario.ts'

type Request = Parameters<Parameters<Fixture['route']>[0]>[0]

const FAILING = 'select 1 / 0'

/** Statements that fail inside a transaction. */
export const failing: Scenario[] = [
  {
    name: 'a failed statement whose error is swallowed',
    act: { writes: [1] },
    routes: (fixture) => {
      fixture.route(async (request) => {
        await fixture.insert(request, 1)
        await fixture.query(request, FAILING).catch(() => {})
        return {}
      })
    }
  },
  {
    name: 'a failed statement that nobody awaits',
    act: { writes: [1] },
    routes: (fixture) => {
      fixture.route(async (request) => {
        await fixture.insert(request, 1)
        fixture.query(request, FAILING).catch(() => {})
        return {}
      })
    }
  },
  {
    name: 'Promise.all with one failure',
    act: { writes: [1, 2, 3], answers: [500] },
    routes: (fixture) => {
      fixture.route(async (request) => {
        await fixture.insert(request, 1)
        await Promise.all([fixture.insert(request, 2), fixture.query(request, FAILING), fixture.insert(request, 3)])
        return {}
      })
    }
  },
  {
    name: 'a savepoint rolled back',
    act: { writes: [1, 2], answers: [200] },
    routes: (fixture) => {
      fixture.route(async (request) => {
        await fixture.insert(request, 1)
        await fixture.query(request, 'savepoint inner_part')
        await fixture.query(request, FAILING).catch(() => fixture.query(request, 'rollback to savepoint inner_part'))
        await fixture.insert(request, 2)
        return {}
      })
    }
  },
  {
    name: 'COMMIT fails (deferred foreign key)',
    act: { writes: [1] },
    routes: (fixture) => {
      fixture.route(async (request) => {
        await fixture.insert(request, 1)
        await fixture.query(request, 'insert into child values (1, 99)')
        return {}
      })
    }
  },
  {
    name: 'COMMIT fails: the error does not carry the headers of the 201',
    act: { writes: [1], without: ['location', 'content-encoding', 'set-cookie', 'etag'] },
    routes: (fixture) => {
      fixture.route(async (request, reply) => {
        await fixture.insert(request, 1)
        await fixture.query(request, 'insert into child values (1, 99)')
        const body = gzipSync('{}')
        reply.code(201).headers({
          location: '/items/1',
          'content-encoding': 'gzip',
          'set-cookie': 'item=1',
          etag: '"1"'
        })
        return body
      })
    }
  },
  {
    name: 'COMMIT is sent by hand, fails, and nobody awaits it',
    act: { writes: [1] },
    routes: (fixture) => {
      fixture.route(async (request) => {
        await fixture.insert(request, 1)
        await fixture.query(request, 'insert into child values (1, 99)')
        void fixture.commit(request)
        return {}
      })
    }
  }
]

/** A's connection must come to B once; given back twice, C gets it as well and commits what B rolls back. */
const othersWaiting: Scenario = {
  name: 'COMMIT fails while others wait for the connection',
  pool: { max: 1 },
  routes: (fixture) => {
    fixture.route(async (request) => {
      await fixture.query(request, 'insert into child values (1, 99)')
      await fixture.insert(request, 1)
      await fixture.step('queued').wait
      return {}
    }, { url: '/a' })
    fixture.route(async (request) => {
      await fixture.insert(request, 2)
      await sleep(200)
      throw new Error('no')
    }, { url: '/b' })
    fixture.route(async (request) => {
      await fixture.insert(request, 3)
      return {}
    }, { url: '/c' })
  },
  act: async (client) => {
    const a = client.send('POST', '/a', { writes: [1] })
    await client.until(() => client.pool().checkedOut === 1)
    const b = client.send('POST', '/b', { writes: [2], answers: [500] })
    await client.until(() => client.pool().waiting === 1)
    const c = client.send('POST', '/c', { writes: [3], answers: [200] })
    await client.until(() => client.pool().waiting === 2)
    client.step('queued').reached()
    await Promise.all([a.reported, b.reported, c.reported])
  }
}

/** Both requests read before either writes; a second run of a handler finds its partner long there. */
function meeting (fixture: Fixture): () => Promise<unknown> {
  let arrived = 0
  return function meet () {
    if (++arrived === 2) fixture.step('both').reached()
    return fixture.step('both').wait
  }
}

function bothWays (
  name: string,
  handle: (fixture: Fixture, request: Request, own: number, meet: () => Promise<unknown>) => Promise<unknown>,
  check: (client: Client) => Promise<unknown>
): Scenario {
  return {
    name,
    routes: (fixture) => {
      const meet = meeting(fixture)
      for (const own of [1, 2]) {
        fixture.retriedRoute(async (request) => {
          await handle(fixture, request, own, meet)
          await fixture.insert(request, own)
          return {}
        }, { url: `/${own}` })
      }
    },
    act: async (client) => {
      await client.look('insert into doctor values (1, true), (2, true) returning id')
      await Promise.all([1, 2].map((own) => client.send('POST', `/${own}`, { writes: [own], answers: [200] }).reported))
      await check(client)
    }
  }
}

/** Two requests in each other's way. */
export const conflicts: Scenario[] = [
  othersWaiting,
  bothWays('write skew, serializable: the second one runs again', async (fixture, request, own, meet) => {
    const { rows } = await fixture.query(request, 'select id from doctor where on_call')
    await meet()
    if (rows.length === 2) await fixture.query(request, `update doctor set on_call = false where id = ${own}`)
  }, async (client) => {
    if ((await client.look('select id from doctor where on_call')).length === 0) client.note('LIE')
  }),
  bothWays('deadlock: the victim runs again', async (fixture, request, own, meet) => {
    await fixture.query(request, `update doctor set on_call = false where id = ${own}`)
    await meet()
    await fixture.query(request, `update doctor set on_call = false where id = ${3 - own}`)
  }, async () => {})
]
