import { setTimeout as sleep } from 'node:timers/promises'

/** How often rows that another instance applies are looked for, in milliseconds. */
const POLL = 50

/**
 * Requests that wait until an event is applied: told by the relay of this process, or found out by asking the table.
 */
export class Waiters {
  readonly #pending: (ids: string[]) => Promise<Set<string>>
  readonly #waiting = new Map<string, Set<() => void>>()
  #isPolling = false

  constructor (pending: (ids: string[]) => Promise<Set<string>>) {
    this.#pending = pending
  }

  /** Resolves to true when the row is gone, to false after `ms` milliseconds or when the table cannot be asked. */
  async wait (id: string, ms: number): Promise<boolean> {
    let told = () => {}
    let timer: NodeJS.Timeout | undefined
    const applied = new Promise<boolean>((resolve) => {
      told = () => {
        resolve(true)
      }
      timer = setTimeout(() => {
        resolve(false)
      }, ms)
    })
    const others = this.#waiting.get(id) ?? new Set()
    this.#waiting.set(id, others.add(told))
    try {
      this.#check([id]).catch(() => {}).then(() => this.#poll(), () => {})
      return await applied
    } finally {
      clearTimeout(timer)
      others.delete(told)
      if (others.size === 0 && this.#waiting.get(id) === others) this.#waiting.delete(id)
    }
  }

  /** Tells everybody who waits for one of these rows. */
  tell (ids: string[]): void {
    for (const id of ids) {
      const waiting = this.#waiting.get(id)
      if (waiting === undefined) continue
      this.#waiting.delete(id)
      for (const told of waiting) told()
    }
  }

  async #check (ids: string[]): Promise<void> {
    const pending = await this.#pending(ids)
    this.tell(ids.filter((id) => !pending.has(id)))
  }

  // One question for all who wait, however many they are.
  async #poll (): Promise<void> {
    if (this.#isPolling) return
    this.#isPolling = true
    try {
      while (this.#waiting.size > 0) {
        await sleep(POLL)
        if (this.#waiting.size > 0) await this.#check([...this.#waiting.keys()]).catch(() => {})
      }
    } finally {
      this.#isPolling = false
    }
  }
}
