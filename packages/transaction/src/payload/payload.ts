import { Readable, Writable, type Stream } from 'node:stream'
import type { ReadableStream } from 'node:stream/web'
import type { FastifyReply } from 'fastify'
import { TransactionUsageError } from '../errors.ts'
import { textStream, type AnyStream } from './text-stream.ts'

/** What Fastify takes for a fetch Response, whichever package has made it. */
interface FetchResponse {
  status?: unknown
  type?: unknown
  headers?: unknown
  body?: unknown
  bodyUsed?: unknown
}

/** True for a fetch Response of Node, undici or node-fetch. */
export function isResponse (payload: unknown): payload is FetchResponse {
  return typeof payload === 'object' && payload !== null &&
    Object.prototype.toString.call(payload) === '[object Response]'
}

/** The status that will be sent; a fetch Response brings its own. */
export function getStatus (reply: FastifyReply, payload: unknown): number {
  return isResponse(payload) && typeof payload.status === 'number' ? payload.status : reply.statusCode
}

/**
 * Puts status and headers of a fetch Response on the reply, as Fastify would.
 * @returns its body
 */
export function unpackResponse (reply: FastifyReply, response: FetchResponse): unknown {
  const { status, headers, body } = response
  if (response.type === 'error' || status === 0) {
    throw new TransactionUsageError('Response.error() has no status to be sent; make a Response with one')
  }
  if (response.bodyUsed === true && body !== null) {
    throw new TransactionUsageError('the body of the Response that was sent has been read already')
  }
  if (typeof status === 'number') reply.code(status)
  if (areFetchHeaders(headers)) { for (const [name, value] of headers) reply.header(name, value) }
  return body
}

function areFetchHeaders (headers: unknown): headers is Iterable<[string, string]> {
  return typeof headers === 'object' && headers !== null && 'forEach' in headers &&
    typeof headers.forEach === 'function'
}

/**
 * A streamed payload of any kind as a Node stream of text and bytes that tells when it has data; anything else as it
 * is.
 */
export function toReadable (payload: unknown): unknown {
  if (typeof payload !== 'object' || payload === null) return payload
  if (isReadable(payload)) return payload.readableObjectMode ? textStream(payload) : payload
  if (payload instanceof globalThis.ReadableStream) return Readable.fromWeb(payload as ReadableStream)
  if ('getReader' in payload && typeof payload.getReader === 'function') {
    return Readable.from(readAll(payload as Pick<ReadableStream, 'getReader'>), { objectMode: false })
  }
  if (payload instanceof Writable) {
    throw new TransactionUsageError('the stream that was sent can only be written; send the one that is read')
  }
  // Streams of Node 0.8, which through and others still make, begin to emit data before anybody pipes them.
  if ('pipe' in payload && typeof payload.pipe === 'function' && 'on' in payload) {
    return textStream(payload as AnyStream)
  }
  return payload
}

/** Statuses whose replies HTTP gives no body; after a 205 only HTTP/2 of Node enforces it. */
const withoutContent: readonly number[] = [204, 205, 304]

/**
 * True where HTTP has no place for a body: Node would drop it, break the stream, or refuse it where the server is
 * strict.
 */
export function hasNoBody (reply: FastifyReply): boolean {
  return reply.request.raw.method === 'HEAD' || withoutContent.includes(reply.statusCode)
}

/**
 * Ends a body that HTTP has no place for; its length is told as Fastify would.
 * @returns what is sent instead
 */
export function withoutBody (reply: FastifyReply, body: unknown): unknown {
  if (body === undefined || body === null) return body
  // These two have no length to tell: nothing would be there for a GET either.
  const isEmpty = reply.statusCode === 204 || reply.statusCode === 205
  if (isEmpty) reply.removeHeader('content-type').removeHeader('content-length')
  if (typeof body === 'string' || Buffer.isBuffer(body)) {
    if (!isEmpty && !reply.hasHeader('content-length')) {
      reply.header('content-length', `${Buffer.byteLength(body)}`)
    }
  } else {
    discard(body)
  }
  return null
}

/** True for streams that tell whether they have data. */
export function isReadable (payload: unknown): payload is Readable {
  return payload instanceof Readable ||
    (typeof payload === 'object' && payload !== null && 'pipe' in payload && 'once' in payload &&
      'readableLength' in payload)
}

/** Ends a payload that will not be sent; a file would stay open. */
export function discard (payload: unknown): void {
  if (typeof payload !== 'object' || payload === null || Buffer.isBuffer(payload)) return
  ignoreErrors(payload)
  if (isResponse(payload)) return discard(payload.body)
  if ('pipe' in payload) discardStream(payload as Stream & Partial<Readable>)
  else if (
    'cancel' in payload && typeof payload.cancel === 'function' && !('locked' in payload && payload.locked === true)
  ) {
    Promise.resolve(Reflect.apply(payload.cancel as () => unknown, payload, [])).catch(ignore)
  }
}

/** A stream may fail while COMMIT or ROLLBACK is on its way and nobody else listens yet; that would end the process. */
export function ignoreErrors (payload: unknown): void {
  if (typeof payload !== 'object' || payload === null) return
  if (isResponse(payload)) ignoreErrors(payload.body)
  else if ('pipe' in payload && 'on' in payload && typeof payload.on === 'function') payload.on('error', ignore)
}

function discardStream (stream: Stream & Partial<Readable>): void {
  if (typeof stream.destroy === 'function') stream.destroy()
}

async function* readAll (stream: Pick<ReadableStream, 'getReader'>): AsyncGenerator<unknown> {
  const reader = stream.getReader()
  try {
    for (;;) {
      const { done, value } = await reader.read() as { done: boolean; value: unknown }
      if (done) return
      yield value
    }
  } finally {
    await reader.cancel().catch(ignore)
  }
}

function ignore (): void {}
