import { randomUUID } from 'node:crypto'
import { STATUS_CODES, type IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import type { FastifyInstance } from 'fastify'
import { CATALOG, typeOfStatus } from './catalog.ts'

const STATUS: Record<string, number> = {
  ERR_HTTP_REQUEST_TIMEOUT: 408,
  HPE_HEADER_OVERFLOW: 431,
  HPE_CHUNK_EXTENSIONS_OVERFLOW: 413
}

/** Node keeps the reply that is being made on the socket, without declaring it. */
type BusySocket = Socket & { _httpMessage?: { req: IncomingMessage } | null }

/**
 * Answers what Node's HTTP parser refuses, before there is a request, with a problem body; then closes the connection.
 * Given to Fastify as `clientErrorHandler`.
 */
export function answerClientError (this: FastifyInstance, error: Error & { code?: string }, socket: BusySocket): void {
  if (error.code === 'ECONNRESET' || socket.destroyed) return
  // The request before the broken one is not answered yet: its client would take our answer for that of its own.
  if (socket._httpMessage?.req.complete === true) {
    socket.destroy()
    return
  }
  const status = STATUS[error.code ?? ''] ?? 400
  const type = typeOfStatus(status)
  const instance = randomUUID()
  this.log.debug({ code: error.code, reqId: instance, res: { statusCode: status } }, 'connection refused')
  const body = JSON.stringify({ type: `/docs/problems#${type}`, ...CATALOG[type], status, instance })
  if (socket.writable) {
    socket.write([
      `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}`,
      'content-type: application/problem+json',
      `content-length: ${Buffer.byteLength(body)}`,
      `x-request-id: ${instance}`,
      'connection: close',
      '',
      body
    ].join('\r\n'))
  }
  socket.destroySoon()
}
