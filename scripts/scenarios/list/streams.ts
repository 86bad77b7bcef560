import { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Scenario, Scene } from '../scenario.ts'
import type { Expected } from '../client.ts'

const wrote = { writes: [1], text: 'one two' }

function streams (name: string, payload: Parameters<Scene['route']>[0], expected: Expected = wrote): Scenario {
  return {
    name,
    act: expected,
    routes: (scene) => {
      scene.route(async (request, reply) => {
        await scene.insert(request, 1)
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
  }, { writes: [1] })
]
