import diagnostics from 'node:diagnostics_channel'
import type { FastifyInstance, FastifyReply, FastifyRequest, RouteOptions } from 'fastify'
import { refuseMisplacedDeclaration } from './declarations.ts'
import { TransactionUsageError } from '../errors.ts'

/** What is known of one Fastify server, whichever of its scopes the plugin is registered in. */
export interface ServerRecord {
  /** Routes in the order of their declaration, with the scope that declared them; empty once the server is ready. */
  routes: Array<{ route: RouteOptions; scope: FastifyInstance }>
  /** Whether the plugin is registered anywhere on this server. */
  isUsed: boolean
  /** False where the server existed before this module was imported: earlier routes and hooks are unknown. */
  isComplete: boolean
}

/** The reply of a request, for handles that are asked for in a hook. */
const replyKey = Symbol('transaction.reply')

interface WithReply {
  [replyKey]: FastifyReply | null
}

// The HTTP server is the one object that every scope of an app shares.
const records = new WeakMap<object, ServerRecord>()

// Fastify announces each instance before it can be given hooks or routes, so these come before all others.
diagnostics.subscribe('fastify.initialization', (message) => {
  const { fastify } = message as { fastify: FastifyInstance }
  observe(fastify, true)
})

/** The record of the server that a scope belongs to. */
export function getServerRecord (app: FastifyInstance): ServerRecord {
  return records.get(app.server) ?? observe(app, false)
}

/** The reply that belongs to a request; undefined in a hook that runs before the first one of this module. */
export function findReply (request: FastifyRequest): FastifyReply | undefined {
  return (request as FastifyRequest & Partial<WithReply>)[replyKey] ?? undefined
}

function observe (app: FastifyInstance, isComplete: boolean): ServerRecord {
  const record: ServerRecord = { routes: [], isUsed: false, isComplete }
  records.set(app.server, record)
  app.decorateRequest(replyKey, null)
  app.addHook('onRoute', function recordRoute (this: FastifyInstance, route) {
    record.routes.push({ route, scope: this })
  })
  app.addHook('onRequest', function linkReply (request, reply, done) {
    if (record.isUsed) (request as FastifyRequest & WithReply)[replyKey] = reply
    done()
  })
  app.addHook('onReady', async function refuseRoutesWithoutTransaction () {
    refuseUnplanned(record)
    record.routes = []
  })
  return record
}

/** A route that declares a transaction and has none would commit each of its statements by itself. */
function refuseUnplanned ({ routes, isUsed }: ServerRecord): void {
  // Without the plugin `config.transaction` is somebody else's.
  if (!isUsed) return
  for (const { route } of routes) {
    refuseMisplacedDeclaration(route)
    const isDeclared = (route.config?.transaction ?? false) !== false
    if (!isDeclared || findPlanner(route) !== undefined) continue
    throw new TransactionUsageError(
      `${
        describeRouteName(route)
      } declares config.transaction and has none: the transaction plugin was registered after the route, in another scope, or under another name; await app.register(transaction, …) before the route is declared, in the same scope or above it`
    )
  }
}

// On the route and its config, under a name that every copy of this package knows: an app may have two versions of it.
const plannerKey = Symbol.for('fastify-transaction.planner')

interface Planned {
  [plannerKey]?: string | undefined
}

/** Notes that a route has its transaction from the plugin instance of this name. */
export function setPlanner (route: RouteOptions, name: string): void {
  Object.defineProperty(route, plannerKey, { value: name })
  route.config = Object.assign({}, route.config, { [plannerKey]: name })
}

/** For a copy of a planned route, which has its config. */
export function clearPlanner (route: RouteOptions): void {
  route.config = Object.assign({}, route.config, { [plannerKey]: undefined })
}

/**
 * The plugin instance that gave a route its transaction, asked of the route or, while a request runs, of its config;
 * undefined where none did.
 */
export function findPlanner (routeOrConfig: object): string | undefined {
  return (routeOrConfig as Planned)[plannerKey]
}

/** Routes within a scope that were declared before the plugin was registered there. */
export function findEarlierRoutes (app: FastifyInstance): RouteOptions[] {
  return getServerRecord(app).routes
    .filter(({ scope }) => scope === app || Object.prototype.isPrototypeOf.call(app, scope))
    .map(({ route }) => route)
}

/** `POST /orders` */
export function describeRouteName ({ method, url }: RouteOptions): string {
  return `${[method].flat().join('|')} ${url}`
}
