import { setTimeout as sleep } from 'node:timers/promises'
import type { ClusterTime } from '../time.ts'

/** How often the stored position of a stream that another process follows is read, in milliseconds. */
const POLL = 50

interface Waiter {
  time: ClusterTime
  told: () => void
}

/** Requests that wait until a stream has come to a cluster time. */
export class Waiters {
  readonly #read: () => Promise<ClusterTime | undefined>
  readonly #waiting = new Set<Waiter>()
  #reached: ClusterTime = ''
  #isPolling = false

  /** @param read the stored position */
  constructor (read: () => Promise<ClusterTime | undefined>) {
    this.#read = read
  }

  /** Resolves to true when the stream has come to `time`, to false after `ms` milliseconds. Never rejects. */
  async wait (time: ClusterTime, ms: number): Promise<boolean> {
    if (time <= this.#reached) return true
    let timer: NodeJS.Timeout | undefined
    let waiter: Waiter | undefined
    try {
      return await new Promise<boolean>((resolve) => {
        waiter = {
          time,
          told: () => {
            resolve(true)
          }
        }
        this.#waiting.add(waiter)
        timer = setTimeout(() => {
          resolve(false)
        }, ms)
        this.#poll().catch(() => {})
      })
    } finally {
      clearTimeout(timer)
      if (waiter !== undefined) this.#waiting.delete(waiter)
    }
  }

  /** Tells everybody who waits for this time or an earlier one. */
  tell (time: ClusterTime): void {
    if (time > this.#reached) this.#reached = time
    for (const waiter of this.#waiting) {
      if (waiter.time <= this.#reached) waiter.told()
    }
  }

  // One question for all who wait, however many they are.
  async #poll (): Promise<void> {
    if (this.#isPolling) return
    this.#isPolling = true
    try {
      while (this.#waiting.size > 0) {
        const time = await this.#read().catch(() => undefined)
        if (time !== undefined) this.tell(time)
        await sleep(POLL)
      }
    } finally {
      this.#isPolling = false
    }
  }
}
