import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'

// What is left of the grace when connections are cut off: time to roll back, end pools and stop embedded databases.
const CLEAN_UP_MS = 2000

declare module 'fastify' {
  interface FastifyInstance {
    /**
     * Announces the end: readiness answers 503 and each answer says `Connection: close`, while all else goes on.
     * Resolves after SHUTDOWN_DELAY_MS, when load balancers have noticed; then `close()` loses no request.
     */
    announceClose: () => Promise<void>
    /** True from the moment the end was announced, or the service began to close. */
    isDraining: () => boolean
  }
}

/**
 * Lets requests finish when the service closes: each answer then says `Connection: close`, so that keep-alive clients
 * go elsewhere, and what is still open shortly before SHUTDOWN_GRACE_MS ends is cut off.
 */
export default fp(async function drain (app) {
  const { SHUTDOWN_DELAY_MS, SHUTDOWN_GRACE_MS } = app.config
  let closing = false
  const connections = trackConnections(app)
  app.decorate('isDraining', () => closing)
  app.decorate('announceClose', async () => {
    closing = true
    await sleep(SHUTDOWN_DELAY_MS)
  })
  app.addHook('preClose', async () => {
    closing = true
    connections.closeUnused()
    // Half-sent requests never finish by themselves, and the server would wait for them.
    const deadline = setTimeout(() => {
      app.server.closeAllConnections()
    }, Math.max(SHUTDOWN_GRACE_MS - CLEAN_UP_MS, SHUTDOWN_GRACE_MS / 2))
    deadline.unref()
  })
  app.addHook('onSend', (_request, reply, _payload, done) => {
    if (closing) reply.header('connection', 'close')
    done()
  })
}, { name: 'drain', dependencies: ['config'], fastify: '5.x' })

/** What has arrived, but not as a whole request, gets this long to become one. */
const ARRIVAL_MS = 500

/** Connections and how many requests are being handled on each: a request is, once it has arrived completely. */
function trackConnections (app: FastifyInstance) {
  const handled = new Map<Socket, number>()
  app.server.on('connection', (socket: Socket) => {
    handled.set(socket, 0)
    socket.once('close', () => {
      handled.delete(socket)
    })
  })
  app.addHook('onRequest', function countRequest ({ raw }, reply, done) {
    const { socket } = raw
    // Injected requests have no connection.
    if (handled.has(socket)) handled.set(socket, (handled.get(socket) ?? 0) + 1)
    reply.raw.once('close', () => {
      const count = handled.get(socket)
      if (count !== undefined) handled.set(socket, count - 1)
    })
    done()
  })
  return {
    /**
     * Cuts off connections without a request, or with half of one: nothing of theirs has begun, and they would hold the
     * exit up.
     */
    closeUnused (): void {
      setTimeout(() => {
        for (const [socket, count] of handled) if (count === 0 || isHalfSent(socket)) socket.destroy()
      }, ARRIVAL_MS).unref()
    }
  }
}

/** Node keeps the response that is being made on its socket. */
function isHalfSent (socket: Socket & { _httpMessage?: { req?: IncomingMessage } | null }): boolean {
  return socket._httpMessage?.req?.complete === false
}
