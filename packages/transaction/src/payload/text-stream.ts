import { Transform, type Readable } from 'node:stream'
import { TransactionUsageError } from '../errors.ts'

/** A stream of any age: those of Node 0.8 have neither a buffer nor always a `destroy`. */
export type AnyStream = NodeJS.EventEmitter & Pick<Readable, 'pipe'> & {
  destroy?: () => void
  readableEnded?: boolean
  destroyed?: boolean
  errored?: Error | null
}

/**
 * Reads a stream that may be made of objects, or is older than streams with a buffer. Node throws where nobody can
 * catch it when an object is written to a response: here it fails the stream.
 */
export function textStream (source: AnyStream): Readable {
  const text = new Transform({
    writableObjectMode: true,
    transform (chunk: unknown, encoding, done) {
      if (typeof chunk === 'string' || chunk instanceof Uint8Array) {
        done(null, typeof chunk === 'string' ? Buffer.from(chunk, encoding) : chunk)
      } else {
        done(
          new TransactionUsageError(
            'the streamed payload is made of objects; make text of them first, for example a line of JSON each'
          )
        )
      }
    },
    destroy (error, done) {
      if (source.destroyed !== true && typeof source.destroy === 'function') source.destroy()
      done(error)
    }
  })
  let hasEnded = source.readableEnded === true
  source.on('end', () => {
    hasEnded = true
  })
  source.on('error', (error: unknown) => {
    text.destroy(error instanceof Error ? error : new Error('the streamed payload failed', { cause: error }))
  })
  source.on('close', () => {
    if (!hasEnded) text.destroy(new Error('the streamed payload was closed before its end'))
  })
  if (hasEnded) text.end()
  else if (source.destroyed === true) {
    text.destroy(source.errored ?? new TransactionUsageError('the stream that was sent was destroyed before'))
  } else source.pipe(text)
  return text
}
