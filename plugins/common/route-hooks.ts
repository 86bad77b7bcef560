import type { preHandlerHookHandler, RouteOptions } from 'fastify'

const SAFE = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE'])

/** Puts a hook before the other preHandler hooks of a route. */
export function runFirst (route: RouteOptions, hook: preHandlerHookHandler): void {
  route.preHandler = [hook, ...[route.preHandler ?? []].flat()]
}

/** Whether all methods of a route are safe, as HTTP calls those that only read (RFC 9110, 9.2.1). */
export function isSafe ({ method }: RouteOptions): boolean {
  return [method].flat().every((name) => SAFE.has(name))
}
