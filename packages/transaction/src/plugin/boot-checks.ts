import type { FastifyInstance, onRequestHookHandler, RouteOptions } from 'fastify'
import { TransactionUsageError } from '../errors.ts'
import type { Instance } from './instance.ts'
import { describeRouteName, findEarlierRoutes, findPlanner } from './server-record.ts'
import type { PinnedHook } from '../http/pin-hook.ts'
import type { TransactionPluginOptions } from '../options/plugin-options.ts'

/**
 * Where the plugin came too late to see every route at boot, it refuses those without their transaction before their
 * handler runs.
 */
export function createRefusal ({ methods }: Instance): onRequestHookHandler {
  return function refuseUnplannedRequests (request, _reply, done) {
    const { config, url = '' } = request.routeOptions
    const isOfMethods = methods.includes(request.method) || (request.method === 'HEAD' && methods.includes('GET'))
    const isMeant = config.transaction === undefined ? isOfMethods : config.transaction !== false
    if (!isMeant || request.is404 || findPlanner(config) !== undefined) return done()
    done(
      new TransactionUsageError(
        `${request.method} ${url} was declared before the transaction plugin, and has no transaction: register the transaction plugin, and await that, before the route is declared`
      )
    )
  }
}

/** A route that was declared before would run without the transaction that `methods` promises. */
export function refuseEarlierRoutes (
  app: FastifyInstance,
  { name }: TransactionPluginOptions,
  { methods, label }: Instance
): void {
  for (const route of findEarlierRoutes(app)) {
    const isMeant = route.config?.transaction === undefined &&
      [route.method].flat().some((method) => methods.includes(method))
    if (!isMeant || findPlanner(route) !== undefined) continue
    throw new TransactionUsageError(
      `${
        describeRouteName(route)
      } was declared before ${label}, whose methods give it a transaction: await app.register(transaction, …) before the route, or the plugin that adds it, is registered${
        name === undefined ? '; config: { transaction: false } opts out' : ''
      }`
    )
  }
}

/** Fastify must have read each route's hooks with the transaction's in their places. */
export function refuseUnreadHooks (planned: Map<RouteOptions, PinnedHook>): void {
  for (const [route, hook] of planned) {
    if (hook.wasRead()) continue
    throw new TransactionUsageError(
      `${
        describeRouteName(route)
      }: another plugin has removed the transaction's hooks from the route's preHandler or onSend; register that plugin before the transaction plugin`
    )
  }
}
