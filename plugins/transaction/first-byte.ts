import { Readable } from 'node:stream'
import type { ReadableStream } from 'node:stream/web'

/** What happened to the first byte of a streamed payload. */
export interface FirstByte {
  /** The payload has its first byte, or has ended without one. */
  onReady: () => void
  /** The payload failed before its first byte. */
  onError: (error: Error) => void
}

/**
 * Waits until a streamed payload has its first byte or has ended, so that one that fails before can still roll back.
 *
 * @returns a function that stops waiting; undefined when there was nothing to wait for
 */
export function awaitFirstByte (stream: Readable, { onReady, onError }: FirstByte): (() => void) | undefined {
  if (stream.readableLength > 0 || stream.readableEnded) {
    onReady()
    return undefined
  }
  function stop (): void {
    for (const [event, listener] of Object.entries(listeners)) stream.off(event, listener)
  }
  function ready (): void {
    stop()
    onReady()
  }
  function fail (error: Error = new Error('the streamed payload was closed before its first byte')): void {
    stop()
    onError(error)
  }
  const listeners: Record<string, (error?: Error) => void> = { readable: ready, end: ready, error: fail, close: fail }
  for (const [event, listener] of Object.entries(listeners)) stream.once(event, listener)
  return stop
}

/** A web stream as a Node stream; anything else as it is. */
export function nodeStream (payload: unknown): unknown {
  return payload instanceof globalThis.ReadableStream ? Readable.fromWeb(payload as ReadableStream) : payload
}

/** True for streams that tell whether they have data. */
export function isReadable (payload: unknown): payload is Readable {
  return payload instanceof Readable || (typeof payload === 'object' && payload !== null && 'pipe' in payload && 'once' in payload && 'readableLength' in payload)
}
