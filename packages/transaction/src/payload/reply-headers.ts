import type { FastifyReply } from 'fastify'
import { copyTrailers, restoreTrailers } from './trailers.ts'

/** Everything of a reply but its body. */
export interface ReplyHead {
  status: number
  headers: Record<string, unknown>
  trailers: object | undefined
  reason: string
}

/** The head of a reply as it is at this moment. */
export function takeHead (reply: FastifyReply): ReplyHead {
  return {
    status: reply.statusCode,
    headers: copyHeaders(reply),
    trailers: copyTrailers(reply),
    reason: hasReason(reply) ? reply.raw.statusMessage : ''
  }
}

/** Puts a head back: what was changed since it was taken is gone. */
export function restoreHead (reply: FastifyReply, { status, headers, trailers, reason }: ReplyHead): void {
  restoreReply(reply, status, headers)
  restoreTrailers(reply, trailers)
  if (hasReason(reply)) reply.raw.statusMessage = reason
}

/** Takes off what a reply that is taken back would still say in the name of its success, and Node may refuse. */
export function dropSuccess (reply: FastifyReply): void {
  restoreTrailers(reply)
  if (hasReason(reply)) reply.raw.statusMessage = ''
}

/** HTTP/2 has no reason phrase: touching it makes Node print a warning. */
function hasReason ({ request }: FastifyReply): boolean {
  return request.raw.httpVersionMajor !== 2
}

/** A copy of a reply's headers. Fastify adds cookies to the array that is there. */
export function copyHeaders (reply: FastifyReply): Record<string, unknown> {
  const headers = reply.getHeaders()
  const cookies = headers['set-cookie']
  return Array.isArray(cookies) ? { ...headers, 'set-cookie': [...cookies] } : headers
}

/** Puts status and headers of a reply back to what they were; nearly always they still are. */
export function restoreReply (reply: FastifyReply, status: number, headers: Record<string, unknown>): void {
  if (reply.statusCode === status && areSame(reply.getHeaders(), headers)) return
  for (const name of Object.keys(reply.getHeaders())) reply.removeHeader(name)
  reply.code(status).headers(headers as Parameters<FastifyReply['headers']>[0])
}

function areSame (some: Record<string, unknown>, others: Record<string, unknown>): boolean {
  const names = Object.keys(some)
  return names.length === Object.keys(others).length && names.every((name) => some[name] === others[name])
}
