import type { FastifyBaseLogger } from 'fastify'

/** Runs after-commit callbacks one after the other, out of the request's way, and knows when all are done. */
export class AfterCommit {
  readonly #log: FastifyBaseLogger
  readonly #running = new Set<Promise<void>>()

  constructor (log: FastifyBaseLogger, _closeTimeout?: number) {
    this.#log = log
  }

  /** Starts a transaction's callbacks on the next turn of the event loop. */
  readonly run = (callbacks: Array<() => unknown>): void => {
    const running = new Promise<void>((resolve) => { setImmediate(resolve) }).then(() => this.#runAll(callbacks))
    this.#running.add(running)
    void running.finally(() => { this.#running.delete(running) })
  }

  /** Resolves when no callback is left, those that callbacks started included. */
  async drain (): Promise<void> {
    while (this.#running.size > 0) await Promise.all(this.#running)
  }

  async #runAll (callbacks: Array<() => unknown>): Promise<void> {
    for (const callback of callbacks) {
      try {
        await callback()
      } catch (error) {
        this.#log.error({ err: error }, 'an after-commit callback failed')
      }
    }
  }
}
