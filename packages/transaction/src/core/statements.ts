/** The statements of one transaction: how many there were, and whether one runs. BEGIN and COMMIT do not count. */
export class Statements {
  /** How many were sent. */
  sent = 0
  /** The one that runs, or the cursor that is open; undefined where there is none. */
  running: Promise<unknown> | undefined
  #ended = 0

  /** How many were sent and have ended: a number that grows with each of both. */
  get progress (): number {
    return this.sent + this.#ended
  }

  /** Sends a statement; the one before has ended. */
  async run<Result> (statement: () => Promise<Result>): Promise<Result> {
    this.sent++
    const running = statement()
    this.running = running
    try {
      return await running
    } finally {
      this.running = undefined
      this.#ended++
    }
  }
}
