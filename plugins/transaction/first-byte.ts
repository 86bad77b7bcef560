import { Readable } from 'node:stream'
import type { ReadableStream } from 'node:stream/web'

type Ready = (error: Error | undefined, body: unknown) => void

/**
 * Calls back when a streamed payload has its first byte, has ended, or has failed; at once for anything else.
 * A stream that fails before its first byte can then still roll back.
 */
export function whenFirstByteIsReady (payload: unknown, ready: Ready): void {
  const stream = isWebStream(payload) ? Readable.fromWeb(payload) : payload
  if (!isReadable(stream) || stream.readableLength > 0 || stream.readableEnded || stream.destroyed) return ready(undefined, stream)
  function settle (error?: unknown): void {
    for (const event of ['readable', 'end', 'error']) source.off(event, listeners[event] ?? settle)
    ready(error instanceof Error ? error : undefined, source)
  }
  const source = stream
  const listeners: Record<string, (error?: unknown) => void> = { readable: () => { settle() }, end: () => { settle() }, error: settle }
  for (const [event, listener] of Object.entries(listeners)) source.once(event, listener)
}

function isWebStream (payload: unknown): payload is ReadableStream {
  return payload instanceof globalThis.ReadableStream && !payload.locked
}

function isReadable (payload: unknown): payload is Readable {
  return payload instanceof Readable || (typeof payload === 'object' && payload !== null && 'pipe' in payload && 'once' in payload && 'readableLength' in payload)
}
