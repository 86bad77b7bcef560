import type { Scenario, Fixture } from '../scenario.ts'

const wrote = { writes: [1] }

/** What a handler that has written one row then does. */
function writes (
  name: string,
  rest: Parameters<Fixture['route']>[0],
  act: Scenario['act'] = wrote,
  options: Parameters<Fixture['route']>[1] = {}
): Scenario {
  return {
    name,
    act,
    routes: (fixture) => {
      fixture.route(async (request, reply) => {
        await fixture.insert(request, 1)
        return await rest(request, reply)
      }, options)
    }
  }
}

/** What only Node refuses, when the head of the reply is written. */
const unwritable = { 'x-list': ['a', undefined] as unknown as string[] }

function fail (): never {
  throw new Error('no')
}
const numberOnly = { response: { 200: { type: 'object', properties: { n: { type: 'number' } }, required: ['n'] } } }

/** Replies of every kind. */
export const replies: Scenario[] = [
  writes('200 by a value', () => ({}), { ...wrote, answers: [200] }),
  writes('204', (_, reply) => reply.code(204).send(), { ...wrote, answers: [204] }),
  writes('303 redirect', (_, reply) => reply.redirect('/elsewhere', 303), { ...wrote, answers: [303] }),
  {
    name: '200 by a callback handler',
    act: { ...wrote, answers: [200] },
    routes: (fixture) => {
      fixture.route((request, reply) => {
        fixture.insert(request, 1).then(() => reply.send({}), (error: unknown) => reply.send(error))
      })
    }
  },
  writes('HEAD', () => ({}), (client) => client.send('HEAD', '/', { ...wrote, answers: [200] }).reported, {
    method: 'GET'
  }),
  writes('404 by reply.code(404).send()', (_, reply) => reply.code(404).send({}), { ...wrote, answers: [404] }),
  writes('404 by reply.code(404) and a value', (_, reply) => {
    reply.code(404)
    return {}
  }, { ...wrote, answers: [404] }),
  writes('503 by hand', (_, reply) => reply.code(503).send({}), { ...wrote, answers: [503] }),
  writes('reply.callNotFound()', (_, reply) => {
    reply.callNotFound()
    return reply
  }, { ...wrote, answers: [404] }),
  writes('the handler throws', fail, { ...wrote, answers: [500] }),
  writes('the reply does not fit its schema', () => ({ n: 'none' }), { ...wrote, answers: [500] }, {
    schema: numberOnly
  }),
  writes('a preSerialization hook throws', () => ({}), { ...wrote, answers: [500] }, {
    preSerialization: async () => fail()
  }),
  writes('an onSend hook of the route throws', () => ({}), { ...wrote, answers: [500] }, {
    onSend: async () => fail()
  }),
  writes('a header value that Node refuses', (_, reply) => reply.headers(unwritable).send({}), {
    ...wrote,
    answers: [500]
  }),
  writes('401 in onRequest', () => ({}), { answers: [401], ...wrote }, {
    onRequest: async (_, reply) => await reply.code(401).send({})
  }),
  writes('400 by validation', () => ({}), { answers: [400], ...wrote }, {
    schema: { body: { type: 'object', required: ['absent'] } }
  }),
  writes('403 in preHandler', () => ({}), { answers: [403], ...wrote }, {
    preHandler: async (_, reply) => await reply.code(403).send({})
  })
]
