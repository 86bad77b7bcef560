import type { FastifyReply } from 'fastify'

let knownKey: symbol | undefined

/**
 * Fastify's own note of which error handler of a reply would be next: undefined before the first error, false when none is left
 * and Fastify answers by itself. There is no public way to read it.
 *
 * @param canSearch false: only where an earlier reply has shown where it is. Default true
 */
export function findNextErrorHandler (reply: FastifyReply, canSearch = true): unknown {
  if (knownKey === undefined && canSearch) {
    knownKey = Object.getOwnPropertySymbols(reply).find(({ description }) =>
      description === 'fastify.reply.nextErrorHandler'
    )
  }
  return knownKey === undefined ? undefined : Reflect.get(reply, knownKey)
}
