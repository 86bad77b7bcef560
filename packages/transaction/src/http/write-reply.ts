import { breakTruncatedReply } from '../payload/http2-reply.ts'
import { discard, isReadable } from '../payload/payload.ts'
import { guardTrailers } from '../payload/trailers.ts'
import type { TransactionalRequest } from './transactional-request.ts'

/** How an onSend hook hands its payload to Fastify. */
export type Done = (error?: Error | null, payload?: unknown) => void

/**
 * `done` runs Fastify's writing; what it throws is answered as Fastify would, and must not become an unhandled
 * rejection.
 */
export function writeReply (transactional: TransactionalRequest, payload: unknown, done: Done): void {
  const { raw, log } = transactional.reply
  if (raw.writableEnded) return discard(payload)
  transactional.answer = { payload }
  // A stream is written later, by Fastify, where nothing tells its bytes from the program's.
  if (isReadable(payload)) transactional.release({ always: true })
  breakTruncatedReply(transactional.reply)
  guardTrailers(transactional.reply)
  transactional.isWriting = true
  try {
    try {
      done(null, payload)
    } catch (error) {
      // Once work is stored an error would deny it; a broken connection says that nobody knows.
      if (raw.headersSent || (transactional.tx.state === 'committed' && transactional.tx.duration > 0)) {
        throw error
      }
      done(error instanceof Error ? error : new Error('the reply could not be written', { cause: error }))
    }
  } catch (error) {
    log.error({ err: error }, 'the reply could not be written')
    raw.destroy()
  } finally {
    transactional.isWriting = false
    // The rest, trailers or a long text over HTTP/2, is written later.
    if (raw.headersSent && !raw.writableEnded) transactional.release({ always: true })
  }
}
