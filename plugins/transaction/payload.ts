import { Readable, type Stream } from 'node:stream'
import type { ReadableStream } from 'node:stream/web'
import type { FastifyReply } from 'fastify'
import { TransactionUsageError } from './errors.ts'

/** What Fastify takes for a fetch Response, whichever package has made it. */
interface FetchResponse {
  status: number
  type?: string
  headers: Iterable<[string, string]>
  body: unknown
  bodyUsed: boolean
}

/** True for a fetch Response of Node, undici or node-fetch. */
export function isResponse (payload: unknown): payload is FetchResponse {
  return typeof payload === 'object' && payload !== null && Object.prototype.toString.call(payload) === '[object Response]'
}

/** The status that will be sent; a fetch Response brings its own. */
export function getStatus (reply: FastifyReply, payload: unknown): number {
  return isResponse(payload) ? payload.status : reply.statusCode
}

/**
 * Puts status and headers of a fetch Response on the reply, as Fastify would.
 * @returns its body
 */
export function unpackResponse (reply: FastifyReply, response: FetchResponse): unknown {
  if (response.type === 'error' || response.status === 0) throw new TransactionUsageError('Response.error() has no status to be sent; make a Response with one')
  if (response.bodyUsed) throw new TransactionUsageError('the body of the Response that was sent has been read already')
  reply.code(response.status)
  for (const [name, value] of response.headers) reply.header(name, value)
  return response.body
}

/** A streamed payload of any kind as a Node stream that tells when it has data; anything else as it is. */
export function toReadable (payload: unknown): unknown {
  if (typeof payload !== 'object' || payload === null || isReadable(payload)) return payload
  if (payload instanceof globalThis.ReadableStream) return Readable.fromWeb(payload as ReadableStream)
  if ('getReader' in payload && typeof payload.getReader === 'function') return Readable.from(readAll(payload as Pick<ReadableStream, 'getReader'>))
  // Streams of Node 0.8, which through and others still make, begin to emit data before anybody pipes them.
  if ('pipe' in payload && typeof payload.pipe === 'function' && 'on' in payload) return new Readable().wrap(payload as NodeJS.ReadableStream)
  return payload
}

/** True for streams that tell whether they have data. */
export function isReadable (payload: unknown): payload is Readable {
  return payload instanceof Readable || (typeof payload === 'object' && payload !== null && 'pipe' in payload && 'once' in payload && 'readableLength' in payload)
}

/** Ends a payload that will not be sent; a file would stay open. */
export function discard (payload: unknown): void {
  if (typeof payload !== 'object' || payload === null || Buffer.isBuffer(payload)) return
  if (isResponse(payload)) return discard(payload.body)
  if ('pipe' in payload) discardStream(payload as Stream & Partial<Readable>)
  else if ('cancel' in payload && typeof payload.cancel === 'function' && !('locked' in payload && payload.locked === true)) {
    Promise.resolve(Reflect.apply(payload.cancel as () => unknown, payload, [])).catch(() => {})
  }
}

function discardStream (stream: Stream & Partial<Readable>): void {
  stream.on('error', () => {})
  if (typeof stream.destroy === 'function') stream.destroy()
}

async function * readAll (stream: Pick<ReadableStream, 'getReader'>): AsyncGenerator<unknown> {
  const reader = stream.getReader()
  try {
    for (;;) {
      const { done, value } = await reader.read() as { done: boolean, value: unknown }
      if (done) return
      yield value
    }
  } finally {
    await reader.cancel().catch(() => {})
  }
}
