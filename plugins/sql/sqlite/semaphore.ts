import { PoolTimeoutError } from '../../transaction/errors.ts'

interface Waiter {
  enter: () => void
  leave: (error: Error) => void
  abandoned: () => boolean
}

const retryAfter = 1

/** Lets so many in at a time; the others wait in the order they came. */
export class Turnstile {
  readonly #limits: { timeout: number, maxWaiting: number }
  readonly #waiters = new Set<Waiter>()
  #free: number

  /**
   * @param places how many may be inside
   * @param limits longest wait in milliseconds, and how many may wait
   */
  constructor (places: number, limits: { timeout: number, maxWaiting: number }) {
    this.#free = places
    this.#limits = limits
  }

  /** How many wait. */
  get waiting (): number { return this.#waiters.size }

  /**
   * Waits for a place, which `leave` gives back.
   *
   * @param abandoned asked when the turn comes: a waiter nobody waits for any more is passed over
   * @throws PoolTimeoutError when the wait is too long, or too many wait already
   */
  async enter (abandoned: () => boolean = () => false): Promise<void> {
    if (this.#free > 0) {
      this.#free--
      return
    }
    if (this.waiting >= this.#limits.maxWaiting) throw new PoolTimeoutError(retryAfter, new Error(`${this.waiting} requests wait for the database already`))
    await new Promise<void>((resolve, reject) => {
      const end = (settle: () => void) => {
        clearTimeout(timer)
        this.#waiters.delete(waiter)
        settle()
      }
      const waiter: Waiter = { abandoned, enter: () => { end(resolve) }, leave: (error) => { end(() => { reject(error) }) } }
      const timer = setTimeout(() => { waiter.leave(new PoolTimeoutError(retryAfter)) }, this.#limits.timeout)
      this.#waiters.add(waiter)
    })
  }

  /** Gives the place to the next in line. */
  leave (): void {
    for (const waiter of this.#waiters) {
      if (!waiter.abandoned()) return waiter.enter()
      waiter.leave(new PoolTimeoutError(retryAfter))
    }
    this.#free++
  }
}
