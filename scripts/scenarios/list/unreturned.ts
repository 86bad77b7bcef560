import { setTimeout as sleep } from 'node:timers/promises'
import type { Scenario, Fixture } from '../scenario.ts'

type Request = Parameters<Parameters<Fixture['route']>[0]>[0]
type Reply = Parameters<Parameters<Fixture['route']>[0]>[1]

const wrote = { writes: [1], text: 'own' }

function sends (
  name: string,
  before: string,
  after: (fixture: Fixture, request: Request, reply: Reply) => unknown,
  act: Scenario['act'] = wrote
): Scenario {
  return {
    name,
    act,
    routes: (fixture) => {
      fixture.route(async (request, reply) => {
        await fixture.insert(request, 1)
        if (before !== '') await fixture.query(request, before)
        reply.send({ own: true })
        await after(fixture, request, reply)
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
  sends('the handler writes after its reply', '', async (fixture, request) => {
    await fixture.step('answered').wait
    await fixture.insert(request, 2).catch(() => {})
    fixture.step('tried').reached()
  }, async (client) => {
    await client.send('POST', '/', { ...wrote, late: [2] }).reported
    client.step('answered').reached()
    await client.step('tried').wait
  })
]
