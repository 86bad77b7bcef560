import type { FastifyReply, FastifyRequest } from 'fastify'
import { getToken, resumeToken, findStreams } from '../read-your-writes/index.ts'
import type { StoredAnswer } from './store.ts'

/** What of a first answer a repeat is given, beside status and body. */
const KEPT = [
  'content-type',
  'content-encoding',
  'content-disposition',
  'content-language',
  'location',
  'content-location',
  'link',
  'etag',
  'last-modified'
]

/** Kept beside the headers, and not sent: the streams that carry what the first request wrote in MongoDB. */
export const STREAMS = 'consistency-streams'

/** The status that will be sent; a fetch Response brings its own. */
export function getStatus (reply: FastifyReply, payload: unknown): number {
  return payload instanceof Response ? payload.status : reply.statusCode
}

/** An answer as a store keeps it; undefined for one that is streamed. */
export function getAnswer (request: FastifyRequest, reply: FastifyReply, payload: unknown): StoredAnswer | undefined {
  const body = getBody(payload)
  if (body === undefined) return undefined
  const headers: Record<string, string> = {}
  for (const name of KEPT) {
    const value = reply.getHeader(name)
    if (value !== undefined) headers[name] = String(value)
  }
  const token = getToken(request)
  const streams = findStreams(request).join()
  if (token !== undefined) headers['consistency-token'] = token
  if (streams !== '') headers[STREAMS] = streams
  return { status: reply.statusCode, headers, body }
}

/** Sends a kept answer. */
export function replay (
  request: FastifyRequest,
  reply: FastifyReply,
  { status, headers: { [STREAMS]: _, ...headers }, body }: StoredAnswer
): FastifyReply {
  // The consistency plugin then answers the repeat as it would the write: with its token, and 201 or 202 by what the
  // other store has.
  resumeToken(request, headers['consistency-token'])
  return reply.code(status).headers(headers).header('idempotency-replayed', 'true').send(
    body.length === 0 ? undefined : body
  )
}

function getBody (payload: unknown): string | Buffer | undefined {
  if (payload === undefined || payload === null) return ''
  if (typeof payload === 'string') return payload.includes('\0') ? Buffer.from(payload) : payload
  if (!Buffer.isBuffer(payload)) return undefined
  const text = payload.toString()
  return !text.includes('\0') && Buffer.from(text).equals(payload) ? text : payload
}
