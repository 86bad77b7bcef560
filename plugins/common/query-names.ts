import type { RouteOptions } from 'fastify'

/**
 * The query parameters that a route declares; one with `limit` is a list.
 * @param route as an onRoute hook sees it
 */
export function getQueryNames ({ schema }: RouteOptions): string[] {
  const { properties = {} } = (schema?.querystring ?? {}) as { properties?: object }
  return Object.keys(properties)
}
