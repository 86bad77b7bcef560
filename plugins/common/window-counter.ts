interface Window {
  count: number
  endsAt: number
}

/** What a client has left of its window. */
export interface Budget {
  /** True once it has asked more often than it may. */
  isSpent: boolean
  left: number
  /** Seconds until the window ends, at least 1. */
  seconds: number
}

/** Clients that are remembered; beyond that the one whose window began first is forgotten. */
const MOST_CLIENTS = 20_000

/** Counts what each client does, in windows that begin with its first request. */
export class WindowCounter {
  readonly #max: number
  readonly #windowMs: number
  /** In the order in which the windows began, so that those that are over stand first. */
  readonly #windows = new Map<string, Window>()

  constructor (max: number, windowMs: number) {
    this.#max = max
    this.#windowMs = windowMs
  }

  /** Counts one more. */
  count (client: string, now = performance.now()): Budget {
    this.#forget(now)
    const found = this.#windows.get(client) ?? { count: 0, endsAt: now + this.#windowMs }
    if (found.count++ === 0) this.#windows.set(client, found)
    return {
      isSpent: found.count > this.#max,
      left: Math.max(0, this.#max - found.count),
      seconds: Math.max(1, Math.ceil((found.endsAt - now) / 1000))
    }
  }

  #forget (now: number): void {
    for (const [client, { endsAt }] of this.#windows) {
      if (endsAt > now && this.#windows.size < MOST_CLIENTS) return
      this.#windows.delete(client)
    }
  }
}
