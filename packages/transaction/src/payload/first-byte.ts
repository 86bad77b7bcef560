import type { Readable } from 'node:stream'

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
 * @returns a function that stops waiting
 */
export function awaitFirstByte (stream: Readable, { onReady, onError }: FirstByte): () => void {
  if (stream.readableLength > 0 || stream.readableEnded) {
    onReady()
    return () => {}
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
