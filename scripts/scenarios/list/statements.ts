import { setTimeout as sleep } from 'node:timers/promises'
import { gzipSync } from 'node:zlib'
import type { Actor, Scenario, Scene } from '../scenario.ts'

type Request = Parameters<Parameters<Scene['route']>[0]>[0]

const FAILING = 'select 1 / 0'

/** Statements that fail inside a transaction. */
export const failing: Scenario[] = [
  {
    name: 'a failed statement whose error is swallowed',
    act: { writes: [1] },
    routes: (scene) => {
      scene.route(async (request) => {
        await scene.insert(request, 1)
        await scene.query(request, FAILING).catch(() => {})
        return {}
      })
    }
  },
  {
    name: 'a failed statement that nobody awaits',
    act: { writes: [1] },
    routes: (scene) => {
      scene.route(async (request) => {
        await scene.insert(request, 1)
        scene.query(request, FAILING).catch(() => {})
        return {}
      })
    }
  },
  {
    name: 'Promise.all with one failure',
    act: { writes: [1, 2, 3], answers: [500] },
    routes: (scene) => {
      scene.route(async (request) => {
        await scene.insert(request, 1)
        await Promise.all([scene.insert(request, 2), scene.query(request, FAILING), scene.insert(request, 3)])
        return {}
      })
    }
  },
  {
    name: 'a savepoint rolled back',
    act: { writes: [1, 2], answers: [200] },
    routes: (scene) => {
      scene.route(async (request) => {
        await scene.insert(request, 1)
        await scene.query(request, 'savepoint inner_part')
        await scene.query(request, FAILING).catch(() => scene.query(request, 'rollback to savepoint inner_part'))
        await scene.insert(request, 2)
        return {}
      })
    }
  },
  {
    name: 'COMMIT fails (deferred foreign key)',
    act: { writes: [1] },
    routes: (scene) => {
      scene.route(async (request) => {
        await scene.insert(request, 1)
        await scene.query(request, 'insert into child values (1, 99)')
        return {}
      })
    }
  },
  {
    name: 'COMMIT fails: the error does not carry the headers of the 201',
    act: { writes: [1], without: ['location', 'content-encoding', 'set-cookie', 'etag'] },
    routes: (scene) => {
      scene.route(async (request, reply) => {
        await scene.insert(request, 1)
        await scene.query(request, 'insert into child values (1, 99)')
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
    routes: (scene) => {
      scene.route(async (request) => {
        await scene.insert(request, 1)
        await scene.query(request, 'insert into child values (1, 99)')
        void scene.commit(request)
        return {}
      })
    }
  }
]

/** A's connection must come to B once; given back twice, C gets it as well and commits what B rolls back. */
const othersWaiting: Scenario = {
  name: 'COMMIT fails while others wait for the connection',
  pool: { max: 1 },
  routes: (scene) => {
    scene.route(async (request) => {
      await scene.query(request, 'insert into child values (1, 99)')
      await scene.insert(request, 1)
      await scene.step('queued').wait
      return {}
    }, { url: '/a' })
    scene.route(async (request) => {
      await scene.insert(request, 2)
      await sleep(200)
      throw new Error('no')
    }, { url: '/b' })
    scene.route(async (request) => {
      await scene.insert(request, 3)
      return {}
    }, { url: '/c' })
  },
  act: async (actor) => {
    const a = actor.send('POST', '/a', { writes: [1] })
    await actor.until(() => actor.pool().checkedOut === 1)
    const b = actor.send('POST', '/b', { writes: [2], answers: [500] })
    await actor.until(() => actor.pool().waiting === 1)
    const c = actor.send('POST', '/c', { writes: [3], answers: [200] })
    await actor.until(() => actor.pool().waiting === 2)
    actor.step('queued').reached()
    await Promise.all([a.told, b.told, c.told])
  }
}

/** Both requests read before either writes; a second run of a handler finds its partner long there. */
function meeting (scene: Scene): () => Promise<unknown> {
  let arrived = 0
  return function meet () {
    if (++arrived === 2) scene.step('both').reached()
    return scene.step('both').wait
  }
}

function bothWays (
  name: string,
  handle: (scene: Scene, request: Request, own: number, meet: () => Promise<unknown>) => Promise<unknown>,
  check: (actor: Actor) => Promise<unknown>
): Scenario {
  return {
    name,
    routes: (scene) => {
      const meet = meeting(scene)
      for (const own of [1, 2]) {
        scene.retriedRoute(async (request) => {
          await handle(scene, request, own, meet)
          await scene.insert(request, own)
          return {}
        }, { url: `/${own}` })
      }
    },
    act: async (actor) => {
      await actor.look('insert into doctor values (1, true), (2, true) returning id')
      await Promise.all([1, 2].map((own) => actor.send('POST', `/${own}`, { writes: [own], answers: [200] }).told))
      await check(actor)
    }
  }
}

/** Two requests in each other's way. */
export const conflicts: Scenario[] = [
  othersWaiting,
  bothWays('write skew, serializable: the second one runs again', async (scene, request, own, meet) => {
    const { rows } = await scene.query(request, 'select id from doctor where on_call')
    await meet()
    if (rows.length === 2) await scene.query(request, `update doctor set on_call = false where id = ${own}`)
  }, async (actor) => {
    if ((await actor.look('select id from doctor where on_call')).length === 0) actor.note('LIE')
  }),
  bothWays('deadlock: the victim runs again', async (scene, request, own, meet) => {
    await scene.query(request, `update doctor set on_call = false where id = ${own}`)
    await meet()
    await scene.query(request, `update doctor set on_call = false where id = ${3 - own}`)
  }, async () => {})
]
