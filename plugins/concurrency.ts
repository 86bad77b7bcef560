import createError from '@fastify/error'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { getClientAddress } from './common/client-address.ts'
import { FairQueue } from './common/fair-queue.ts'
import { onSocketClose } from './common/on-socket-close.ts'
import { getQueryNames } from './common/query-names.ts'

declare module 'fastify' {
  interface FastifyContextConfig {
    /**
     * How many requests of the route are worked on at once; the others wait for their turn, the addresses in rotation,
     * and get 503 where too many wait or the wait is too long. Default: LIST_CONCURRENCY on lists, no bound elsewhere.
     * @example { method: 'GET', url: '/report', config: { concurrency: 2 }, … }
     */
    concurrency?: number
  }
  interface FastifyInstance {
    /** Routes with a bound, and what happens there: for metrics. */
    concurrency: ReadonlyMap<string, FairQueue>
  }
}

const MAX_WAITING = 1000
const LONGEST_WAIT_MS = 10_000

const CrowdedError = createError('ROUTE_CROWDED', 'Too many requests of this route wait.', 503)

/** Bounds what expensive routes may take of the process and its databases, so that others are answered meanwhile. */
export default fp(async function concurrency (app) {
  const queues = new Map<string, FairQueue>()
  app.decorate('concurrency', queues)
  app.addHook('onRoute', function boundRoute (route) {
    const limit = route.config?.concurrency ??
      (getQueryNames(route).includes('limit') ? app.config.LIST_CONCURRENCY : 0)
    if (limit === 0) return
    const queue = new FairQueue({ limit, maxWaiting: MAX_WAITING, longestWaitMs: LONGEST_WAIT_MS })
    queues.set(`${[route.method].flat().join('|')} ${route.url}`, queue)
    route.preHandler = [createTurnHook(queue), ...[route.preHandler ?? []].flat()]
  })
  app.addHook('onClose', async function endWaits () {
    for (const queue of queues.values()) queue.clear()
  })
}, { name: 'concurrency', dependencies: ['config', 'errors'], fastify: '5.x' })

function createTurnHook (queue: FairQueue) {
  return function awaitTurn (
    this: FastifyInstance,
    request: FastifyRequest,
    reply: { raw: NodeJS.EventEmitter },
    done: (error?: Error) => void
  ): void {
    if (request.raw.socket.destroyed) return done()
    const ticket = queue.enter(getClientAddress(request), (isAdmitted) => {
      done(isAdmitted ? undefined : new CrowdedError())
    })
    const forget = onSocketClose(request.raw.socket, ticket.leave)
    reply.raw.once('close', () => {
      forget()
      ticket.leave()
    })
  }
}
