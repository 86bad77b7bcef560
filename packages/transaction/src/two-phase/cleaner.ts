import type { TwoPhaseStores } from './stores.ts'

/** Milliseconds in which ended transactions are collected: their records go together. */
const pause = 250
/** Milliseconds until a store that was away is asked again. */
const longerPause = 1000
/** What is more than this is left to the recovery, which finds it. */
const most = 10_000

/**
 * Removes the records of transactions that have ended in both stores. MongoDB first: a decision without a row in PostgreSQL
 * would look like a lost half.
 */
export class Cleaner {
  readonly #stores: TwoPhaseStores
  readonly #aborted: string[] = []
  readonly #committed: string[] = []
  /** Rows whose decision is gone. */
  readonly #rows: string[] = []
  #timer: NodeJS.Timeout | undefined
  #cleaning: Promise<void> = Promise.resolve()

  constructor (stores: TwoPhaseStores) {
    this.#stores = stores
  }

  /** Takes note of a transaction whose PostgreSQL half has ended as decided. */
  add (gid: string, decision: 'commit' | 'abort'): void {
    const list = decision === 'commit' ? this.#committed : this.#aborted
    if (list.length < most) list.push(gid)
    this.#schedule(pause)
  }

  /** Removes what was noted; what a store that is away keeps is tried again. Never throws. */
  flush (): Promise<void> {
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#cleaning = this.#cleaning.then(() => this.#clean())
    return this.#cleaning
  }

  #schedule (time: number): void {
    this.#timer ??= setTimeout(() => void this.flush(), time).unref()
  }

  async #clean (): Promise<void> {
    const { decisions, checked } = this.#stores
    const aborted = this.#aborted.splice(0)
    const committed = this.#committed.splice(0)
    if (!await done(aborted, () => decisions.settle(aborted))) this.#aborted.push(...aborted)
    if (await done(committed, () => decisions.remove(committed))) this.#rows.push(...committed)
    else this.#committed.push(...committed)
    const rows = this.#rows.splice(0)
    if (checked !== undefined && !await done(rows, () => checked.halves.forget(rows))) {
      this.#rows.push(...rows.slice(-most))
    }
    if (this.#aborted.length + this.#committed.length + this.#rows.length > 0) this.#schedule(longerPause)
  }
}

/** Whether work on a list was done; an empty one needs none. */
async function done (list: string[], work: () => Promise<void>): Promise<boolean> {
  if (list.length === 0) return true
  try {
    await work()
    return true
  } catch {
    return false
  }
}
