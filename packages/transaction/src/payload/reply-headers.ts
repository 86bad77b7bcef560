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

/** A copy of a reply's headers. */
export function copyHeaders (reply: FastifyReply): Record<string, unknown> {
  return copyCookies({ ...readHeaders(reply) })
}

/** Fastify adds cookies to the array that is there. */
function copyCookies (headers: Record<string, unknown>): Record<string, unknown> {
  const cookies = headers['set-cookie']
  return Array.isArray(cookies) ? { ...headers, 'set-cookie': [...cookies as unknown[]] } : headers
}

/** Where Fastify keeps the headers of a reply; found once. */
let headersKey: symbol | undefined

/**
 * The headers of a reply, to read. `getHeaders()` merges those of the raw response into a new object, which costs more
 * than all else that is done about them, and nearly always there are none.
 */
function readHeaders (reply: FastifyReply): Record<string, unknown> {
  headersKey ??= findHeadersKey(reply)
  const own = headersKey && (reply as unknown as Record<symbol, Record<string, unknown> | undefined>)[headersKey]
  return own === undefined || reply.raw.getHeaderNames().length > 0 ? reply.getHeaders() : own
}

function findHeadersKey (reply: FastifyReply): symbol | undefined {
  return Object.getOwnPropertySymbols(reply).find(({ description }) => description === 'fastify.reply.headers')
}

/** Own properties for a reply like this one, without headers. */
export function noHeaders (reply: FastifyReply): object {
  const key = findHeadersKey(reply)
  return key === undefined ? {} : { [key]: {} }
}

/** Puts status and headers of a reply back to what they were; nearly always they still are. */
export function restoreReply (reply: FastifyReply, status: number, headers: Record<string, unknown>): void {
  if (reply.statusCode === status && areSame(readHeaders(reply), headers)) return
  for (const name of Object.keys(reply.getHeaders())) reply.removeHeader(name)
  reply.code(status).headers(copyCookies(headers) as Parameters<FastifyReply['headers']>[0])
}

function areSame (some: Record<string, unknown>, others: Record<string, unknown>): boolean {
  let count = 0
  for (const name in some) {
    if (some[name] !== others[name]) return false
    count++
  }
  for (const _ in others) count--
  return count === 0
}
