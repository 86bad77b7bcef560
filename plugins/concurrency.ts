import createError from '@fastify/error'
import type { FastifyInstance, FastifyRequest, RouteOptions } from 'fastify'
import fp from 'fastify-plugin'
import { getClientAddress } from './common/client-address.ts'
import { FairQueue } from './common/fair-queue.ts'
import { onSocketClose } from './common/on-socket-close.ts'
import { getQueryNames } from './common/query-names.ts'
import { isSafe, runFirst } from './common/route-hooks.ts'

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
const CrowdedRowError = createError('ROUTE_CROWDED', 'Too many writes of this resource wait.', 503)

/**
 * Bounds what expensive routes, and all writes of one resource, may take of the process and its databases, so that
 * others are answered meanwhile.
 */
export default fp(async function concurrency (app) {
  const queues = new Map<string, FairQueue>()
  const rows = new RowQueues(app.config.ROW_CONCURRENCY)
  app.decorate('concurrency', queues)
  app.addHook('onRoute', function boundRoute (route) {
    if (app.config.ROW_CONCURRENCY > 0 && isWriteOfOne(route)) {
      runFirst(route, createTurnHook((request) => rows.get(request), CrowdedRowError))
    }
    const limit = route.config?.concurrency ??
      (getQueryNames(route).includes('limit') ? app.config.LIST_CONCURRENCY : 0)
    if (limit === 0) return
    const queue = createQueue(limit)
    queues.set(`${[route.method].flat().join('|')} ${route.url}`, queue)
    runFirst(route, createTurnHook(() => queue, CrowdedError))
  })
  app.addHook('onClose', async function endWaits () {
    for (const queue of [...queues.values(), ...rows.all()]) queue.clear()
  })
}, { name: 'concurrency', dependencies: ['config', 'errors'], fastify: '5.x' })

function createQueue (limit: number): FairQueue {
  return new FairQueue({ limit, maxWaiting: MAX_WAITING, longestWaitMs: LONGEST_WAIT_MS })
}

/** A write of what the URL names, which waits for other writes of it: PATCH /users/:id. */
function isWriteOfOne (route: RouteOptions): boolean {
  return route.url.includes(':') && !isSafe(route) && route.config?.transaction !== false
}

/** A queue for each resource that is being written. */
class RowQueues {
  readonly #limit: number
  readonly #queues = new Map<string, FairQueue>()

  constructor (limit: number) {
    this.#limit = limit
  }

  /** The queue of what the request writes, whatever its method. */
  get ({ routeOptions, params }: FastifyRequest): FairQueue {
    const row = `${routeOptions.url} ${JSON.stringify(params)}`
    const known = this.#queues.get(row)
    if (known !== undefined) return known
    const queue = createQueue(this.#limit)
    queue.onEmpty = () => {
      this.#queues.delete(row)
    }
    this.#queues.set(row, queue)
    return queue
  }

  all (): Iterable<FairQueue> {
    return this.#queues.values()
  }
}

function createTurnHook (findQueue: (request: FastifyRequest) => FairQueue, Refusal: new() => Error) {
  return function awaitTurn (
    this: FastifyInstance,
    request: FastifyRequest,
    reply: { raw: NodeJS.EventEmitter },
    done: (error?: Error) => void
  ): void {
    if (request.raw.socket.destroyed) return done()
    const ticket = findQueue(request).enter(getClientAddress(request), (isAdmitted) => {
      done(isAdmitted ? undefined : new Refusal())
    })
    const forget = onSocketClose(request.raw.socket, ticket.leave)
    reply.raw.once('close', () => {
      forget()
      ticket.leave()
    })
  }
}
