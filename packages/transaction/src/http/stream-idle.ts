import type { FastifyReply } from 'fastify'
import { TransactionTimeoutError } from '../errors.ts'
import type { LazyTransaction } from '../core/lazy-transaction.ts'
import { afterTime, type Wait } from '../core/with-timeout.ts'

interface Streaming {
  readonly reply: FastifyReply
  readonly tx: LazyTransaction
}

/**
 * Ends the transaction of a streamed reply whose client has taken nothing for a while, and whose statements have all
 * ended.
 */
export class StreamIdleTimer {
  readonly #streaming: Streaming
  readonly #time: number
  readonly #onIdle: (error: Error) => void
  readonly #written: () => number
  #wait: Wait | undefined

  /**
   * @param time milliseconds without a byte, in which no statement runs
   * @param onIdle called when the transaction is rolled back
   */
  constructor (streaming: Streaming, time: number, onIdle: (error: Error) => void) {
    this.#streaming = streaming
    this.#time = time
    this.#onIdle = onIdle
    this.#written = countWritten(streaming.reply)
    this.#watch()
    streaming.reply.raw.once('close', () => {
      this.stop()
    })
  }

  /** Ends the watch. */
  stop (): void {
    this.#wait?.stop()
  }

  get #progress (): number {
    return this.#written() + this.#streaming.tx.statements.progress
  }

  #watch (): void {
    const { tx } = this.#streaming
    const before = this.#progress
    this.#wait = afterTime(this.#time, () => {
      if (tx.isWorking || this.#progress !== before) return this.#watch()
      const error = new TransactionTimeoutError(tx.label, 'streamIdleTimeout')
      tx.abort(error).then(() => {
        this.#onIdle(error)
      }, () => {})
    }, { unref: true })
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
