import { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Scenario, Fixture } from '../scenario.ts'
import type { Expected } from '../client.ts'

type Body = ConstructorParameters<typeof Response>[0]

const wrote = { writes: [1], text: 'one two' }

function streams (name: string, payload: Parameters<Fixture['route']>[0], expected: Expected = wrote): Scenario {
  return {
    name,
    act: expected,
    routes: (fixture) => {
      fixture.route(async (request, reply) => {
        await fixture.insert(request, 1)
        return await payload(request, reply)
      })
    }
  }
}

function web (...texts: string[]): ReadableStream {
  return new ReadableStream({
    pull (controller) {
      const text = texts.shift()
      if (text === undefined) controller.close()
      else controller.enqueue(new TextEncoder().encode(text))
    }
  })
}

function failing (...texts: string[]): Readable {
  return new Readable({
    read () {
      const text = texts.shift()
      if (text === undefined) sleep(20).then(() => this.destroy(new Error('the source failed')), () => {})
      else this.push(text)
    }
  })
}

/** A Response as undici or node-fetch make it: no instance of the global one, and yet its tag. */
function foreignResponse (status: number): object {
  return {
    status,
    headers: new Headers({ 'content-type': 'text/plain' }),
    body: web('one ', 'two'),
    [Symbol.toStringTag]: 'Response'
  }
}

/** Writes to the socket from a listener, where nobody catches what it throws. */
function writesFromListener (_: unknown, reply: Parameters<Parameters<Fixture['route']>[0]>[1]): typeof reply {
  const source = Readable.from(['one ', 'two'])
  source.on('data', (chunk: string) => {
    reply.raw.write(chunk)
  })
  source.on('end', () => {
    reply.raw.end()
  })
  return reply
}

/** hijack() comes first, then the statement. */
const hijackedFirst: Scenario = {
  name: 'reply.hijack() before the first statement',
  act: { writes: [1] },
  routes: (fixture) => {
    fixture.route(async (request, reply) => {
      reply.hijack()
      await fixture.insert(request, 1).catch(() => {
        reply.raw.statusCode = 500
      })
      reply.raw.end('hijacked')
    })
  }
}

/** Replies that leave piece by piece, or past Fastify. */
export const streamed: Scenario[] = [
  streams('a stream', () => Readable.from(['one ', 'two']), { ...wrote, answers: [200] }),
  streams('a web stream', () => web('one ', 'two'), { ...wrote, answers: [200] }),
  streams('a stream that fails before its first byte', () => failing()),
  streams('a stream that fails after its first byte', () => failing('one '), { ...wrote, mayStore: true }),
  streams('reply.hijack() and reply.raw.end()', (_, reply) => {
    reply.hijack()
    reply.raw.end('hijacked')
  }, { writes: [1] }),
  streams('reply.raw.end() without hijack', (_, reply) => {
    reply.raw.end('raw')
    return reply
  }, { writes: [1] }),
  streams('reply.raw.write() in a listener', writesFromListener, { writes: [1] }),
  hijackedFirst,
  streams('a fetch Response', () => new Response(web('one ', 'two') as Body), { ...wrote, answers: [200] }),
  streams(
    'a fetch Response whose body fails before its first byte',
    () => new Response(Readable.toWeb(failing()) as Body),
    { writes: [1] }
  ),
  streams('a fetch Response of another library, 200', () => foreignResponse(200), { ...wrote, answers: [200] }),
  streams('a fetch Response of another library, 500', () => foreignResponse(500), { writes: [1], answers: [500] })
]
