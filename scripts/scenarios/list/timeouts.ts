import { setTimeout as sleep } from 'node:timers/promises'
import type { Scenario, Fixture } from '../scenario.ts'
import type { Expected } from '../client.ts'

type Request = Parameters<Parameters<Fixture['route']>[0]>[0]

/** Fastify's handlerTimeout never fires once a body is parsed, so these come by GET. */
function timed (
  name: string,
  rest: (fixture: Fixture, request: Request) => Promise<unknown>,
  expected: Expected
): Scenario {
  return {
    name,
    routes: (fixture) => {
      fixture.route(async (request) => {
        await fixture.insert(request, 1)
        await rest(fixture, request)
        return {}
      }, { method: 'GET', handlerTimeout: 150 })
    },
    act: async (client) => {
      await client.send('GET', '/', expected).reported
      await sleep(400)
    }
  }
}

/** Fastify's handlerTimeout. */
export const timeouts: Scenario[] = [
  timed(
    'handlerTimeout during a statement of 3 s',
    (fixture, request) => fixture.query(request, 'select pg_sleep(3)'),
    {
      writes: [1],
      answers: [503],
      within: 2000
    }
  ),
  timed('handlerTimeout, and then the handler writes', async (fixture, request) => {
    await sleep(400)
    await fixture.insert(request, 2)
  }, { writes: [1, 2], answers: [503] }),
  timed(
    'handlerTimeout during COMMIT',
    (fixture, request) => fixture.query(request, 'insert into slow values (1, 500)'),
    {
      writes: [1]
    }
  )
]
