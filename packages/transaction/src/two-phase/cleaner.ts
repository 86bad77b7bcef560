import { ignore } from '../core/given-promises.ts'
import type { TwoPhaseStores } from './stores.ts'

/** Milliseconds in which ended transactions are collected: their records go together. */
const pause = 250
const most = 500

/**
 * Removes the records of transactions that have ended in both stores; what it cannot remove, the recovery finds. MongoDB
 * first: a decision without a row in PostgreSQL would look like a lost half.
 */
export class Cleaner {
  readonly #stores: TwoPhaseStores
  #committed: string[] = []
  #aborted: string[] = []
  #timer: NodeJS.Timeout | undefined
  #cleaning: Promise<void> = Promise.resolve()

  constructor (stores: TwoPhaseStores) {
    this.#stores = stores
  }

  /** Takes note of a transaction whose PostgreSQL half has ended as decided. */
  add (gid: string, decision: 'commit' | 'abort'): void {
    const list = decision === 'commit' ? this.#committed : this.#aborted
    if (list.length < most) list.push(gid)
    this.#timer ??= setTimeout(() => void this.flush(), pause).unref()
  }

  /** Removes what was noted; never throws. */
  flush (): Promise<void> {
    clearTimeout(this.#timer)
    this.#timer = undefined
    const [committed, aborted] = [this.#committed, this.#aborted]
    this.#committed = []
    this.#aborted = []
    this.#cleaning = this.#cleaning.then(() => this.#clean(committed, aborted)).catch(ignore)
    return this.#cleaning
  }

  async #clean (committed: string[], aborted: string[]): Promise<void> {
    const { decisions, checked } = this.#stores
    if (aborted.length > 0) await decisions.settle(aborted)
    if (committed.length === 0 || checked === undefined) return
    await decisions.remove(committed)
    await checked.halves.forget(committed)
  }
}
