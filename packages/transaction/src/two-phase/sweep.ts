import type { Decision } from './decisions.ts'
import type { InDoubt } from './in-doubt.ts'
import type { TwoPhaseStores } from './stores.ts'

/** Records younger than this may be removed by their own process, in milliseconds. */
const youngest = 10_000
const oldRow = 3600
const most = 1000

/**
 * Finds records that no process has removed: those of transactions that have ended, and those of halves that PostgreSQL
 * has lost, as after a failover to a standby that was behind.
 */
export class Sweep {
  /** Halves that PostgreSQL does not have, as last seen. */
  lost: InDoubt[] = []
  readonly #stores: TwoPhaseStores

  constructor ({ stores }: { stores: TwoPhaseStores }) {
    this.#stores = stores
  }

  /** Looks once. Only where the stores belong together: another PostgreSQL would seem to have lost everything. */
  async run (): Promise<void> {
    const { decisions } = this.#stores
    const open = await decisions.findOpen(youngest, most)
    // Asked after the decisions: what is prepared has not ended.
    const prepared = new Set((await this.#halves()).map(({ gid }) => gid))
    const ended = open.filter(({ _id }) => !prepared.has(_id))
    const of = (decision: Decision['decision']) => ended.filter((each) => each.decision === decision)
    const aborted = of('abort').map(({ _id }) => _id)
    if (aborted.length > 0) await decisions.settle(aborted)
    const missing = new Set(await this.clean(of('commit').map(({ _id }) => _id)))
    this.lost = ended.filter(({ _id }) => missing.has(_id)).map(({ _id, age }) => (
      { gid: _id, doubt: 'lost half', age }
    ))
    await this.#forgetRows()
  }

  /**
   * Removes the records of commits that PostgreSQL confirms.
   * @returns the names of those that it does not know, though MongoDB still has their decision
   */
  async clean (gids: string[]): Promise<string[]> {
    const { decisions, checked } = this.#stores
    if (gids.length === 0 || checked === undefined) return []
    const confirmed = await checked.halves.confirm(gids)
    const known = gids.filter((gid) => confirmed.has(gid))
    await decisions.remove(known)
    await checked.halves.forget(known)
    const unknown = gids.filter((gid) => !confirmed.has(gid))
    if (unknown.length === 0) return []
    // Another process may have removed both meanwhile: then the decision is gone too.
    const still = await decisions.findKnown(unknown)
    return unknown.filter((gid) => still.has(gid))
  }

  /** Rows whose decision is gone: a process died between the two. */
  async #forgetRows (): Promise<void> {
    const { decisions, checked } = this.#stores
    const old = await checked?.halves.findOld(oldRow, most) ?? []
    if (checked === undefined || old.length === 0) return
    const known = await decisions.findKnown(old)
    await checked.halves.forget(old.filter((gid) => !known.has(gid)))
  }

  async #halves () {
    return await this.#stores.checked?.halves.list() ?? []
  }
}
