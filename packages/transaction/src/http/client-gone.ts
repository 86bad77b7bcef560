import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { FastifyReply, FastifyRequest } from 'fastify'

interface Http2Parts {
  stream?: { destroyed: boolean; closed: boolean }
}

/** True when nobody can receive the reply any more. */
export function isClientGone (request: FastifyRequest, reply: FastifyReply): boolean {
  const raw = reply.raw as ServerResponse & Http2Parts
  if (request.raw.httpVersionMajor === 2) return raw.stream === undefined || raw.stream.destroyed || raw.stream.closed
  // A response that waits behind another one on the same connection has no socket yet, and is never marked destroyed.
  return raw.destroyed || isSocketDestroyed(request.raw)
}

/** Calls `listener` once when the client has gone, or when the response is complete. */
export function onClose (request: FastifyRequest, reply: FastifyReply, listener: () => void): void {
  reply.raw.once('close', listener)
  const { socket } = request.raw as { socket?: Socket }
  if (request.raw.httpVersionMajor === 2 || socket === undefined || reply.raw.socket === socket) return
  // A response that is still queued on a pipelined connection emits no 'close' when that connection ends.
  const listeners = closeListeners(socket)
  listeners.add(listener)
  reply.raw.once('close', () => {
    listeners.delete(listener)
  })
}

const listenersOfSockets = new WeakMap<Socket, Set<() => void>>()

/** One listener a socket, however many requests are pipelined on it. */
function closeListeners (socket: Socket): Set<() => void> {
  const known = listenersOfSockets.get(socket)
  if (known !== undefined) return known
  const listeners = new Set<() => void>()
  listenersOfSockets.set(socket, listeners)
  socket.once('close', () => {
    for (const listener of listeners) listener()
  })
  return listeners
}

function isSocketDestroyed ({ socket }: { socket?: Partial<Socket> }): boolean {
  return socket?.destroyed === true
}

/** True while the client still has to send a part of the body. */
export function isBodyIncomplete (raw: IncomingMessage): boolean {
  // Requests that are injected do not say.
  const { complete } = raw as { complete?: boolean }
  return complete === false && hasBody(raw)
}

/**
 * True when the request carries a body that nothing has read to its end: a second run of the handler could not read it
 * again.
 */
export function isBodyUnread (raw: IncomingMessage): boolean {
  return !raw.readableEnded && hasBody(raw)
}

function hasBody (raw: IncomingMessage): boolean {
  const { headers } = raw
  if (raw.httpVersionMajor === 2) {
    const { stream } = raw as IncomingMessage & { stream?: { endAfterHeaders?: boolean } }
    return stream?.endAfterHeaders !== true
  }
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0
}
