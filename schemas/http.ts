import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import type {
  ContextConfigDefault, FastifyReply, FastifyRequest, FastifySchema, RawReplyDefaultExpression, RawRequestDefaultExpression,
  RawServerDefault, RouteGenericInterface
} from 'fastify'

/** The request of an operation: params, query and body have the types of its schemas. */
export type RequestOf<Operation extends FastifySchema> =
  FastifyRequest<RouteGenericInterface, RawServerDefault, RawRequestDefaultExpression<RawServerDefault>, Operation, TypeBoxTypeProvider>

/** The reply of an operation: it takes only statuses and bodies that the operation declares. */
export type ReplyOf<Operation extends FastifySchema> = FastifyReply<
  RouteGenericInterface, RawServerDefault, RawRequestDefaultExpression<RawServerDefault>, RawReplyDefaultExpression<RawServerDefault>,
  ContextConfigDefault, Operation, TypeBoxTypeProvider>
