import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Client, Fixture, Scenario } from '../scenario.ts'

const wrote = { writes: [1, 101] }

function inBoth (
  name: string,
  handler: (fixture: Fixture, request: FastifyRequest, reply: FastifyReply) => unknown,
  act: Scenario['act'] = wrote
): Scenario {
  return {
    name: `both stores: ${name}`,
    isInBoth: true,
    act,
    routes: (fixture) => {
      fixture.route((request, reply) => handler(fixture, request, reply))
    }
  }
}

async function writeBoth (fixture: Fixture, request: FastifyRequest): Promise<void> {
  await fixture.insert(request, 1)
  await fixture.insertDocument(request, 101)
}

/** Something happens between the writes and the end of the handler. */
function interrupted (
  name: string,
  happen: (client: Client, abort: () => Promise<void>) => Promise<unknown>
): Scenario {
  return inBoth(name, async (fixture, request) => {
    await writeBoth(fixture, request)
    fixture.step('written').reached()
    await fixture.step('happened').wait
    return {}
  }, async (client) => {
    const sent = client.send('POST', '/', wrote)
    await client.step('written').wait
    await happen(client, sent.abort)
    client.step('happened').reached()
    await sent.reported
  })
}

/** A row in PostgreSQL and a document in MongoDB, both or neither. */
export const bothStores: Scenario[] = [
  inBoth('200 by a value', async (fixture, request) => {
    await writeBoth(fixture, request)
    return {}
  }, { ...wrote, answers: [200] }),
  inBoth('409 by hand', async (fixture, request, reply) => {
    await writeBoth(fixture, request)
    return await reply.code(409).send({})
  }, { ...wrote, answers: [409] }),
  inBoth('the handler throws between the two writes', async (fixture, request) => {
    await fixture.insertDocument(request, 101)
    throw new Error('between')
  }),
  inBoth('the second write is a duplicate', async (fixture, request) => {
    await fixture.insertDocument(request, 101)
    await fixture.insert(request, 1)
    await fixture.insert(request, 1)
    return {}
  }),
  inBoth('a document that fails and whose error is swallowed', async (fixture, request) => {
    await writeBoth(fixture, request)
    await fixture.insertDocument(request, 101).catch(() => {})
    return {}
  }),
  inBoth('COMMIT in PostgreSQL fails (deferred foreign key)', async (fixture, request) => {
    await writeBoth(fixture, request)
    await fixture.query(request, 'insert into child values (1, 99)')
    return {}
  }),
  interrupted('the client leaves after both writes', (_client, abort) => abort()),
  interrupted('PostgreSQL ends the session after both writes', (client) => client.kill('idle in transaction'))
]
