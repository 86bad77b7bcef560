import type { FastifyBaseLogger } from 'fastify'
import { withTimeout } from '../core/with-timeout.ts'

const late = 'after-commit callbacks were still running'

/** Runs after-commit callbacks one after the other, out of the request's way, and knows when all are done. */
export class AfterCommit {
  readonly #log: FastifyBaseLogger
  readonly #closeTimeout: number
  readonly #running = new Set<Promise<void>>()
  /** Callbacks that have not ended yet, those included whose turn has not come. */
  #left = 0

  /** @param closeTimeout longest `drain` in milliseconds; 0: as long as the callbacks take */
  constructor (log: FastifyBaseLogger, closeTimeout = 10_000) {
    this.#log = log
    this.#closeTimeout = closeTimeout
  }

  /** Starts a transaction's callbacks on the next turn of the event loop. */
  readonly run = (callbacks: Array<() => unknown>): void => {
    this.#left += callbacks.length
    const running = new Promise<void>((resolve) => {
      setImmediate(resolve)
    }).then(() => this.#runAll(callbacks))
    this.#running.add(running)
    void running.finally(() => {
      this.#running.delete(running)
    })
  }

  /**
   * Resolves when no callback is left, those that callbacks started included, or when the time is over; then it says
   * how many are left.
   */
  async drain (): Promise<void> {
    try {
      await withTimeout(this.#closeTimeout, this.#drainAll(), late)
    } catch {
      this.#log.error(
        { callbacks: this.#left, milliseconds: this.#closeTimeout },
        `the app closes although ${late}; closeTimeout bounds the wait`
      )
    }
  }

  async #drainAll (): Promise<void> {
    while (this.#running.size > 0) await Promise.all(this.#running)
  }

  async #runAll (callbacks: Array<() => unknown>): Promise<void> {
    for (const callback of callbacks) {
      try {
        await callback()
      } catch (error) {
        this.#log.error({ err: error }, 'an after-commit callback failed')
      }
      this.#left--
    }
  }
}
