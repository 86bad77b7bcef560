import type { Readable } from 'node:stream'
import { TransactionUsageError } from './errors.ts'

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
    check(stream, { onReady, onError })
    return () => {}
  }
  function stop (): void {
    for (const [event, listener] of Object.entries(listeners)) stream.off(event, listener)
  }
  function ready (): void {
    stop()
    check(stream, { onReady, onError })
  }
  function fail (error: Error = new Error('the streamed payload was closed before its first byte')): void {
    stop()
    onError(error)
  }
  const listeners: Record<string, (error?: Error) => void> = { readable: ready, end: ready, error: fail, close: fail }
  for (const [event, listener] of Object.entries(listeners)) stream.once(event, listener)
  return stop
}

/** Node throws where nobody can catch it when a stream of objects is written to a socket. */
function check (stream: Readable, { onReady, onError }: FirstByte): void {
  if (!stream.readableObjectMode) return onReady()
  const chunk: unknown = stream.read()
  if (chunk !== null) stream.unshift(chunk)
  if (chunk === null || typeof chunk === 'string' || chunk instanceof Uint8Array) return onReady()
  onError(new TransactionUsageError('the streamed payload is made of objects; make text of them first, for example a line of JSON each'))
}
