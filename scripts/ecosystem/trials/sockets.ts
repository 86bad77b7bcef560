import assert from 'node:assert/strict'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import type { FastifyInstance, FastifyReply, FastifyRequest, RouteOptions } from 'fastify'
import { load, loadPlugin } from '../packages/load.ts'
import { insert } from '../test-app.ts'
import type { TestApp, Trial } from '../trial.ts'

interface Socket {
  on: (event: string, listener: (data: unknown) => void) => void
  send: (text: string) => void
  close: () => void
}
interface Events extends FastifyReply {
  sse: { send: (source: unknown) => Promise<void> }
}

type Handler = (request: FastifyRequest, reply: FastifyReply) => unknown

/** A GET route with options that Fastify's own types do not know. */
function get (app: FastifyInstance, url: string, options: object, handler: unknown): void {
  app.route({
    method: 'GET',
    url,
    config: { transaction: true },
    ...options,
    handler: handler as RouteOptions['handler']
  })
}

async function talk (app: TestApp, path: string): Promise<{ said: string; heldMeanwhile: string }> {
  const { WebSocket } = await load<{ WebSocket: new(url: string) => Socket & NodeJS.EventEmitter }>('ws')
  const socket = new WebSocket(app.origin.replace('http', 'ws') + path)
  await once(socket, 'open')
  socket.send('write')
  const said = await Promise.race([once(socket, 'message').then(([data]) => String(data)), sleep(2000, 'no answer')])
  const heldMeanwhile = await app.held()
  socket.close()
  return { said, heldMeanwhile }
}

const accept = { accept: 'text/event-stream' }

/** Plugins that keep a connection to the client. */
export const trials: Trial[] = [
  {
    package: '@fastify/websocket',
    register: async (app) => app.register(await loadPlugin('@fastify/websocket')),
    routes: (app) => {
      get(app, '/own', { websocket: true }, (socket: Socket, request: FastifyRequest) => {
        socket.on('message', () => {
          insert(request, 71).then(() => {
            socket.send('written')
          }, (error: Error) => {
            socket.send(`refused: ${error.message}`)
          })
        })
      })
      get(app, '/per-message', { websocket: true, config: {} }, (socket: Socket) => {
        socket.on('message', () => {
          app.transaction(async (transaction) => {
            await transaction.query('insert into item values (72)')
          })
            .then(() => {
              socket.send('written')
            }, (error: Error) => {
              socket.send(`refused: ${error.message}`)
            })
        })
      })
    },
    checks: [
      {
        name: 'a statement in a message',
        async play (app) {
          const { said, heldMeanwhile } = await talk(app, '/own')
          assert.match(said, /^refused: ./)
          assert.equal(heldMeanwhile, '', heldMeanwhile)
          assert.deepEqual(await app.stored(), [])
        }
      },
      {
        name: 'app.transaction per message',
        async play (app) {
          assert.deepEqual(await talk(app, '/per-message'), { said: 'written', heldMeanwhile: '' })
          assert.deepEqual(await app.stored(), [72])
        }
      }
    ],
    note: 'A socket has no reply that could decide: statements of `request.transaction` are refused there. Use ' +
      '`app.transaction` per message.'
  },
  {
    package: '@fastify/sse',
    register: async (app) => app.register(await loadPlugin('@fastify/sse')),
    routes: (app) => {
      get(
        app,
        '/events',
        { sse: true },
        (async (request, reply) => {
          await insert(request, 73)
          await (reply as Events).sse.send({ data: 'one' })
        }) satisfies Handler
      )
      get(
        app,
        '/committed-events',
        { sse: true },
        (async (request, reply) => {
          await insert(request, 74)
          await request.transaction.commit()
          await (reply as Events).sse.send((async function* events () {
            yield { data: 'one' }
            yield { data: 'two' }
          })())
        }) satisfies Handler
      )
      get(
        app,
        '/idle-events',
        { sse: true },
        (async (_, reply) => {
          await (reply as Events).sse.send({ data: 'one' })
        }) satisfies Handler
      )
    },
    checks: [
      { name: 'events while a transaction is open', method: 'GET', path: '/events', headers: accept, status: 500 },
      {
        name: 'events after commit()',
        method: 'GET',
        path: '/committed-events',
        headers: accept,
        status: 200,
        stored: [74],
        also: ({ text }) => {
          assert.match(text, /one[^]*two/)
        }
      },
      { name: 'events without a statement', method: 'GET', path: '/idle-events', headers: accept, status: 200 }
    ],
    note: 'Events leave past the reply. Call `request.transaction.commit()` before the first one; with an open ' +
      'transaction they are refused.'
  }
]
