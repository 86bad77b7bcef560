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
  #count = 0

  /** @param read the stored position */
  constructor (read: () => Promise<ClusterTime | undefined>) {
    this.#read = read
  }

  /**
   * Resolves to true when the stored position has come to `time`, to false after `ms` milliseconds. Never rejects. What
   * this process has seen only says when to look: the database may have gone back since.
   */
  async wait (time: ClusterTime, ms: number): Promise<boolean> {
    this.#count++
    try {
      return await this.#waitFor(time, performance.now() + ms)
    } finally {
      this.#count--
    }
  }

  /** True while somebody waits. */
  get isAwaited (): boolean {
    return this.#count > 0
  }

  async #waitFor (time: ClusterTime, until: number): Promise<boolean> {
    for (;;) {
      const stored = await this.#read().catch(() => undefined)
      if (stored !== undefined && stored >= time) return true
      const left = until - performance.now()
      if (left <= 0) return false
      if (stored !== undefined && this.#reached > stored && this.#reached >= time) await sleep(Math.min(left, POLL))
      else await this.#hear(time, left)
    }
  }

  /** Resolves when this process knows that the stream has come to `time`, or after `ms` milliseconds. */
  async #hear (time: ClusterTime, ms: number): Promise<void> {
    let timer: NodeJS.Timeout | undefined
    let waiter: Waiter | undefined
    try {
      await new Promise<void>((resolve) => {
        waiter = { time, told: resolve }
        this.#waiting.add(waiter)
        timer = setTimeout(resolve, ms)
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
