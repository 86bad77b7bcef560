import { createServer } from 'node:http'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { loadPlugin } from '../packages/load.ts'
import { insert } from '../test-app.ts'
import type { Trial } from '../trial.ts'

interface Forwards extends FastifyReply {
  from: (url: string) => FastifyReply
}

/** A server that answers with the status that its path names. It ends with the app. */
async function upstream (app: FastifyInstance): Promise<string> {
  const server = createServer((request, response) => {
    request.resume()
    response.writeHead(Number(/\d+/.exec(request.url ?? '')?.[0] ?? 404), {
      'content-type': 'application/json'
    }).end('{"up":true}')
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  app.addHook('onClose', () => {
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

const TARGETS = [['/from-200', '/200'], ['/from-409', '/409'], ['/from-nobody', 'http://127.0.0.1:1/']] as const

/** Plugins that answer with what another server says. */
export const trials: Trial[] = [
  {
    package: '@fastify/reply-from',
    register: async (app) => app.register(await loadPlugin('@fastify/reply-from'), { base: await upstream(app) }),
    routes: (app) => {
      for (const [url, target] of TARGETS) {
        app.post(url, async (request, reply) => {
          await insert(request, 61)
          return (reply as Forwards).from(target)
        })
      }
    },
    checks: [
      { name: 'upstream says 200', path: '/from-200', status: 200, stored: [61] },
      { name: 'upstream says 409', path: '/from-409', status: 409 },
      { name: 'no upstream', path: '/from-nobody', status: 500 }
    ],
    note: 'The transaction is open while the other server is asked: bound that by `deadline`. What the other server ' +
      'did is not taken back.'
  },
  {
    package: '@fastify/http-proxy',
    register: async (app) =>
      app.register(await loadPlugin('@fastify/http-proxy'), {
        upstream: await upstream(app),
        prefix: '/proxy',
        async preHandler (request: FastifyRequest) {
          if (request.headers['x-write'] !== undefined) await insert(request, 62)
        }
      }),
    checks: [
      { name: 'upstream says 200', path: '/proxy/200', headers: { 'x-write': 'yes' }, status: 200, stored: [62] },
      { name: 'upstream says 409', path: '/proxy/409', headers: { 'x-write': 'yes' }, status: 409 },
      { name: 'nothing is written', path: '/proxy/200', status: 200 }
    ],
    explained: {
      boot: 'Registered before, its routes would have no transaction, and the app refuses to start with a sentence ' +
        'that says so: register it after this one, or leave `methods` out.'
    },
    note: 'Its routes are POST routes too: with `methods` they have a transaction, which costs nothing until a hook ' +
      'sends a statement.'
  }
]
