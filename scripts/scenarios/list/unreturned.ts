import { setTimeout as sleep } from 'node:timers/promises'
import type { Scenario, Scene } from '../scenario.ts'

type Request = Parameters<Parameters<Scene['route']>[0]>[0]
type Reply = Parameters<Parameters<Scene['route']>[0]>[1]

const wrote = { writes: [1], text: 'own' }

function sends (
  name: string,
  before: string,
  after: (scene: Scene, request: Request, reply: Reply) => unknown,
  act: Scenario['act'] = wrote
): Scenario {
  return {
    name,
    act,
    routes: (scene) => {
      scene.route(async (request, reply) => {
        await scene.insert(request, 1)
        if (before !== '') await scene.query(request, before)
        reply.send({ own: true })
        await after(scene, request, reply)
      })
    }
  }
}

/** Async handlers that call reply.send() and do not return it. */
export const unreturned: Scenario[] = [
  sends('reply.send() that is not returned', 'insert into slow values (1, 100)', () => {}),
  sends('reply.send() that is not returned, and COMMIT fails', 'insert into child values (1, 99)', () => {}),
  sends('the handler throws after reply.send(), while COMMIT runs', 'insert into slow values (1, 200)', async () => {
    await sleep(60)
    throw new Error('too late')
  }),
  sends('the handler writes after its reply', '', async (scene, request) => {
    await scene.step('answered').wait
    await scene.insert(request, 2).catch(() => {})
    scene.step('tried').reached()
  }, async (actor) => {
    await actor.send('POST', '/', { ...wrote, late: [2] }).told
    actor.step('answered').reached()
    await actor.step('tried').wait
  })
]
