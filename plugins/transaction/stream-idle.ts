import type { FastifyReply } from 'fastify'
import { TransactionTimeoutError } from './errors.ts'
import type { Scope } from './scope.ts'

interface Streaming { readonly reply: FastifyReply, readonly scope: Scope }

/** Ends the transaction of a streamed reply whose client has taken nothing for a while. */
export class StreamIdleTimer {
  readonly #timer: NodeJS.Timeout
  #written = 0

  /**
   * @param time milliseconds without a byte or a statement
   * @param onIdle told when the transaction is rolled back
   */
  constructor (streaming: Streaming, time: number, onIdle: (error: Error) => void) {
    const { reply: { raw } } = streaming
    const progress = () => (raw.socket?.bytesWritten ?? 0) + streaming.scope.statements
    this.#written = progress()
    this.#timer = setInterval(() => {
      const written = progress()
      if (written !== this.#written) {
        this.#written = written
        return
      }
      this.stop()
      const error = new TransactionTimeoutError(streaming.scope.label, 'streamIdleTimeout')
      streaming.scope.abandon(error).then(() => { onIdle(error) }, () => {})
    }, time).unref()
    raw.once('close', () => { this.stop() })
  }

  /** Ends the watch. */
  stop (): void {
    clearInterval(this.#timer)
  }
}
