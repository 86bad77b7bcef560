import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import type {
  ContextConfigDefault,
  FastifySchema,
  RawReplyDefaultExpression,
  RawRequestDefaultExpression,
  RawServerDefault,
  RouteGenericInterface,
  RouteOptions
} from 'fastify'

type TypedRoute<Schema extends FastifySchema> = RouteOptions<
  RawServerDefault,
  RawRequestDefaultExpression,
  RawReplyDefaultExpression,
  RouteGenericInterface,
  ContextConfigDefault,
  Schema,
  TypeBoxTypeProvider
>

/**
 * A route whose handler has the types of its schema: params, query and body of the request, statuses and bodies of the
 * reply.
 * @param route as `app.route` takes it
 * @returns the same, to be given to `app.route`
 */
export function defineRoute<Schema extends FastifySchema> (route: TypedRoute<Schema>): RouteOptions {
  return route as unknown as RouteOptions
}
