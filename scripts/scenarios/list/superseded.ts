import { setTimeout as sleep } from 'node:timers/promises'
import type { Scenario, Fixture } from '../scenario.ts'

type Handler = Parameters<Fixture['route']>[0]
type Request = Parameters<Handler>[0]

const CONFLICT = "do $$ begin raise exception 'could not serialize access' using errcode = '40001'; end $$"
const expected = { writes: [1, 2], text: 'own', answers: [200] }

/**
 * The first run meets a conflict; those after it take their time, so that the end of the first could pass for theirs.
 */
function conflicting (name: string, handle: (work: (request: Request) => Promise<object>) => Handler): Scenario {
  return {
    name,
    act: expected,
    routes: (fixture) => {
      let runs = 0
      async function work (request: Request): Promise<object> {
        const run = ++runs
        await fixture.insert(request, 1)
        if (run === 1) await fixture.query(request, CONFLICT)
        await sleep(100)
        await fixture.insert(request, 2)
        return { own: true }
      }
      fixture.retriedRoute(handle(work))
    }
  }
}

const sent: Scenario[] = [
  conflicting('a conflict is thrown: the handler runs again', (work) => (request) => work(request)),
  conflicting('a conflict is sent by reply.send(err), not returned', (work) => async (request, reply) => {
    try {
      return await work(request)
    } catch (err) {
      reply.send(err)
    }
    return undefined
  }),
  conflicting('a conflict is sent by reply.send(err), then something is awaited', (work) => async (request, reply) => {
    try {
      return await work(request)
    } catch (err) {
      reply.send(err)
      await sleep(50)
    }
    return undefined
  }),
  conflicting('reply and conflict are both sent, neither is returned', (work) => async (request, reply) => {
    try {
      reply.send(await work(request))
    } catch (err) {
      reply.send(err)
    }
  }),
  conflicting('a conflict is sent by return reply.send(err)', (work) => async (request, reply) => {
    try {
      return await work(request)
    } catch (err) {
      return reply.send(err)
    }
  }),
  conflicting('a conflict is sent by a callback handler', (work) => (request, reply) => {
    work(request).then((result) => reply.send(result), (err: unknown) => reply.send(err))
  })
]

/** What a run does after the next one has begun. */
export const superseded: Scenario[] = [
  ...sent,
  {
    name: 'a run that met a conflict sends a statement when the next one runs',
    act: async (client) => {
      await client.send('POST', '/', { ...expected, late: [3] }).reported
      await client.step('tried').wait
    },
    routes: (fixture) => {
      let runs = 0
      fixture.retriedRoute(async (request) => {
        const run = ++runs
        await fixture.insert(request, 1)
        if (run === 1) {
          sleep(50).then(() => fixture.insert(request, 3)).catch(() => {}).finally(() => {
            fixture.step('tried').reached()
          })
          await fixture.query(request, CONFLICT)
        }
        await sleep(150)
        await fixture.insert(request, 2)
        return { own: true }
      })
    }
  },
  {
    name: 'a conflict when the body was read as a stream',
    act: { writes: [15] },
    routes: (fixture) => {
      fixture.app.removeContentTypeParser('application/json')
      fixture.app.addContentTypeParser('application/json', (_, payload, done) => {
        done(null, payload)
      })
      let runs = 0
      fixture.retriedRoute(async (request) => {
        let bytes = 0
        for await (const chunk of request.body as AsyncIterable<Buffer>) bytes += chunk.length
        await fixture.insert(request, bytes)
        if (++runs === 1) await fixture.query(request, CONFLICT)
        return {}
      })
    }
  }
]
