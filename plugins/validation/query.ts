import type { FastifySchema, RouteOptions } from 'fastify'

interface ObjectSchema {
  type?: unknown
  properties?: object
  additionalProperties?: unknown
}

/**
 * Closes the query of a route: parameters that its schema does not name are refused, so that a mistyped filter is no
 * filter at all. Routes that describe neither query nor response, and schemas that say `additionalProperties`
 * themselves, stay as they are.
 */
export function closeQuery (route: RouteOptions): void {
  if (route.schema === undefined || route.schema.hide === true || !isDescribed(route.schema)) return
  const { querystring = { type: 'object', properties: {} } } = route.schema as FastifySchema & {
    querystring?: ObjectSchema
  }
  if (querystring.type !== 'object' || querystring.additionalProperties !== undefined) return
  route.schema = { ...route.schema, querystring: { ...querystring, additionalProperties: false } }
}

function isDescribed ({ querystring, response }: FastifySchema): boolean {
  return querystring !== undefined || response !== undefined
}
