/** Whether something outside has given up waiting for a piece of work, and why. The first reason counts. */
export class AbortState {
  #reason: Error | undefined
  #listeners: Array<() => void> = []

  /** Why the work is given up; undefined while it goes on. */
  get reason (): Error | undefined {
    return this.#reason
  }

  abort (reason: Error): void {
    this.#reason ??= reason
    this.stopWaiting()
  }

  /** Ends every wait of `unlessAborted` without giving up. */
  stopWaiting (): void {
    const listeners = this.#listeners
    this.#listeners = []
    for (const listener of listeners) listener()
  }

  /** Waits for a promise, but no longer than until the work is given up: then resolves to undefined. */
  unlessAborted<Result> (waiting: Promise<Result>): Promise<Result | undefined> {
    if (this.#reason !== undefined) return Promise.resolve(undefined)
    return new Promise((resolve, reject) => {
      this.#listeners.push(() => {
        resolve(undefined)
      })
      waiting.then(resolve, reject)
    })
  }
}
