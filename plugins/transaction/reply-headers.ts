import type { FastifyReply } from 'fastify'

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
