import type { FastifyRequest } from 'fastify'
import { getCauses } from '../common/causes.ts'

/** What streams, and calls that a signal ends, fail with when the other end has gone. */
const CUT_OFF = new Set<unknown>(['ERR_STREAM_PREMATURE_CLOSE', 'ERR_STREAM_DESTROYED', 'ABORT_ERR', 'AbortError'])

/**
 * True for an error that says no more than that the client of the request has gone. It came from the request itself, or
 * from a stream or signal that ended with it; the same code from anywhere else is another matter.
 */
export function isHangUp (error: unknown, { raw }: Pick<FastifyRequest, 'raw'>): boolean {
  const { socket } = raw as { socket?: FastifyRequest['raw']['socket'] }
  if (socket?.destroyed !== true) return false
  return getCauses(error).some((cause) => {
    // The request ends with the error of what reads it where that fails first, which then is no word of the client.
    if (cause === raw.errored) return cause.code === 'ECONNRESET' && cause.message === 'aborted'
    return CUT_OFF.has(cause.code) || CUT_OFF.has(cause.name)
  })
}
