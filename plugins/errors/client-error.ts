import { randomUUID } from 'node:crypto'
import { STATUS_CODES, type IncomingMessage, type ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { FastifyInstance } from 'fastify'
import { SECURITY_HEADERS } from '../security.ts'
import { CATALOG, typeOfStatus } from './catalog.ts'

const STATUS: Record<string, number> = {
  ERR_HTTP_REQUEST_TIMEOUT: 408,
  HPE_HEADER_OVERFLOW: 431,
  HPE_CHUNK_EXTENSIONS_OVERFLOW: 413
}

/** Sockets whose last request is answered: what follows on them is no request. */
const ended = new WeakSet<Socket>()

/**
 * Takes note that a request is answered whose body cannot be read, so that the parser's own complaint is not answered
 * again.
 */
export function endAfterAnswer (socket: Socket): void {
  ended.add(socket)
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
  if (ended.has(socket)) {
    socket.destroySoon()
    return
  }
  const { status, headers, body } = countAndAnswer(this, socket, STATUS[error.code ?? ''] ?? 400)
  this.log.debug(
    { code: error.code, reqId: headers['x-request-id'], res: { statusCode: status } },
    'connection refused'
  )
  if (socket.writable) {
    const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}`)
    socket.write([`HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}`, ...lines, '', body].join('\r\n'))
  }
  socket.destroySoon()
}

/** Answers a request whose `Expect` header asks for something other than 100-continue (RFC 9110, 10.1.1). */
export function answerExpectation (this: FastifyInstance, request: IncomingMessage, response: ServerResponse): void {
  const { status, headers, body } = countAndAnswer(this, request.socket, 417)
  response.writeHead(status, headers).end(body)
}

/** Such answers count for the rate limit as any other. */
function countAndAnswer (app: FastifyInstance, { remoteAddress }: Socket, status: number) {
  const budget = app.rateLimit?.countConnection(remoteAddress)
  if (budget?.isSpent !== true) return createAnswer(status)
  const { headers, ...answer } = createAnswer(429)
  return { ...answer, headers: { ...headers, 'retry-after': String(budget.seconds) } }
}

function createAnswer (status: number) {
  const type = typeOfStatus(status)
  const instance = randomUUID()
  const body = JSON.stringify({ type: `/docs/problems#${type}`, ...CATALOG[type], status, instance })
  const headers = {
    ...SECURITY_HEADERS,
    'cache-control': 'no-store',
    'content-type': 'application/problem+json',
    'content-length': String(Buffer.byteLength(body)),
    'x-request-id': instance,
    connection: 'close'
  }
  return { status, headers, body }
}
