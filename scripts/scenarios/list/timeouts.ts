import { setTimeout as sleep } from 'node:timers/promises'
import type { Scenario, Scene } from '../scenario.ts'
import type { Expected } from '../client.ts'

type Request = Parameters<Parameters<Scene['route']>[0]>[0]

/** Fastify's handlerTimeout never fires once a body is parsed, so these come by GET. */
function timed (
  name: string,
  rest: (scene: Scene, request: Request) => Promise<unknown>,
  expected: Expected
): Scenario {
  return {
    name,
    routes: (scene) => {
      scene.route(async (request) => {
        await scene.insert(request, 1)
        await rest(scene, request)
        return {}
      }, { method: 'GET', handlerTimeout: 150 })
    },
    act: async (actor) => {
      await actor.send('GET', '/', expected).told
      await sleep(400)
    }
  }
}

/** Fastify's handlerTimeout. */
export const timeouts: Scenario[] = [
  timed('handlerTimeout during a statement of 3 s', (scene, request) => scene.query(request, 'select pg_sleep(3)'), {
    writes: [1],
    answers: [503],
    within: 2000
  }),
  timed('handlerTimeout, and then the handler writes', async (scene, request) => {
    await sleep(400)
    await scene.insert(request, 2)
  }, { writes: [1, 2], answers: [503] }),
  timed('handlerTimeout during COMMIT', (scene, request) => scene.query(request, 'insert into slow values (1, 500)'), {
    writes: [1]
  })
]
