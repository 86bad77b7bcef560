import type { FastifyReply } from 'fastify'
import { TransactionTimeoutError } from '../errors.ts'
import type { LazyTransaction } from '../core/lazy-transaction.ts'

interface Streaming {
  readonly reply: FastifyReply
  readonly tx: LazyTransaction
}

/** Ends the transaction of a streamed reply whose client has taken nothing for a while. */
export class StreamIdleTimer {
  readonly #timer: NodeJS.Timeout
  #progress = 0

  /**
   * @param time milliseconds without a byte or a statement
   * @param onIdle told when the transaction is rolled back
   */
  constructor (streaming: Streaming, time: number, onIdle: (error: Error) => void) {
    const { reply: { raw } } = streaming
    const written = countWritten(streaming.reply)
    const progress = () => written() + streaming.tx.statements
    this.#progress = progress()
    this.#timer = setInterval(() => {
      const now = progress()
      if (now !== this.#progress) {
        this.#progress = now
        return
      }
      this.stop()
      const error = new TransactionTimeoutError(streaming.tx.label, 'streamIdleTimeout')
      streaming.tx.abort(error).then(() => {
        onIdle(error)
      }, () => {})
    }, time).unref()
    raw.once('close', () => {
      this.stop()
    })
  }

  /** Ends the watch. */
  stop (): void {
    clearInterval(this.#timer)
  }
}

/** @returns a function that tells how much the client has taken: a number that grows */
function countWritten ({ raw, request }: FastifyReply): () => number {
  if (request.raw.httpVersionMajor !== 2) return () => raw.socket?.bytesWritten ?? 0
  // The socket is shared by all replies of the session. A client that takes nothing stops the writes of this one.
  const { write } = raw
  let writes = 0
  raw.write = function countedWrite (...args: unknown[]) {
    writes++
    return Reflect.apply(write, raw, args) as boolean
  } as typeof write
  raw.on('drain', () => {
    writes++
  })
  return () => writes
}
