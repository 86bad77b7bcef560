import { PoolTimeoutError } from 'fastify-transaction'

interface Waiter {
  acquire: () => void
  reject: (error: Error) => void
  isAborted: () => boolean
}

const RETRY_AFTER_S = 1

/** Lets a number of callers in at a time; the others wait in the order they came. */
export class Semaphore {
  readonly #limits: { timeout: number; maxWaiting: number }
  readonly #waiters = new Set<Waiter>()
  #free: number

  /**
   * @param permits how many callers may be inside
   * @param limits longest wait in milliseconds, and how many may wait
   */
  constructor (permits: number, limits: { timeout: number; maxWaiting: number }) {
    this.#free = permits
    this.#limits = limits
  }

  /** How many wait. */
  get waiting (): number {
    return this.#waiters.size
  }

  /**
   * Waits for a permit, which `release` gives back.
   *
   * @param isAborted asked when a permit is free: true passes over a caller that has given up
   * @throws PoolTimeoutError when the wait is too long, or too many wait already
   */
  async acquire (isAborted: () => boolean = () => false): Promise<void> {
    if (this.#free > 0) {
      this.#free--
      return
    }
    if (this.waiting >= this.#limits.maxWaiting) {
      throw new PoolTimeoutError(RETRY_AFTER_S, new Error(`${this.waiting} requests wait for the database already`))
    }
    await new Promise<void>((resolve, reject) => {
      const end = (settle: () => void) => {
        clearTimeout(timer)
        this.#waiters.delete(waiter)
        settle()
      }
      const waiter: Waiter = {
        isAborted,
        acquire: () => {
          end(resolve)
        },
        reject: (error) => {
          end(() => {
            reject(error)
          })
        }
      }
      const timer = setTimeout(() => {
        waiter.reject(new PoolTimeoutError(RETRY_AFTER_S))
      }, this.#limits.timeout)
      this.#waiters.add(waiter)
    })
  }

  /** Gives the permit to the next in line. */
  release (): void {
    for (const waiter of this.#waiters) {
      if (!waiter.isAborted()) return waiter.acquire()
      waiter.reject(new PoolTimeoutError(RETRY_AFTER_S))
    }
    this.#free++
  }
}
