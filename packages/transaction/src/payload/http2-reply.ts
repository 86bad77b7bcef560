import type { FastifyReply } from 'fastify'

/**
 * Over HTTP/2 a reply that is destroyed without an error, as Fastify does where a stream fails, would look complete to
 * its client.
 */
export function breakTruncatedReply ({ raw, request }: FastifyReply): void {
  if (request.raw.httpVersionMajor !== 2) return
  const { destroy } = raw
  raw.destroy = function destroyWithError (error = new Error('the reply broke off')) {
    return Reflect.apply(destroy, raw, [error])
  } as typeof destroy
}
