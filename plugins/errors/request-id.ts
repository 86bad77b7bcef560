import { randomUUID } from 'node:crypto'
import type { IncomingMessage } from 'node:http'

/** Name of the header that carries the id of a request, both ways. */
export const REQUEST_ID_HEADER = 'x-request-id'

/**
 * The id of a request: the client's when it is short and plain, so that it cannot forge log lines, else a new one.
 * @param request the raw request
 * @returns 1 to 64 letters, digits, _ or -
 */
export function requestId (request: Pick<IncomingMessage, 'headers'>): string {
  const given = request.headers[REQUEST_ID_HEADER]
  return typeof given === 'string' && /^[A-Za-z0-9_-]{1,64}$/.test(given) ? given : randomUUID()
}
