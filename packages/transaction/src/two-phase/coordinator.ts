import { setTimeout as sleep } from 'node:timers/promises'
import { outsideTransaction } from '../core/outside-queries.ts'
import { ConnectionLostError, OutcomeUnknownError } from '../errors.ts'
import type { Decisions, Verdict } from './decisions.ts'
import { explainAbort, explainPrepare } from './errors.ts'
import { makeGid } from './gid.ts'
import { finishSql, prepareSql } from './prepared.ts'
import { publishStep } from './steps.ts'
import { isAway, type TwoPhaseStores } from './stores.ts'
import type { Halves } from './transaction.ts'

/** Longest time in which a decision is asked for before the outcome counts as unknown, in milliseconds. */
const patience = 4000

interface CoordinatorOptions {
  stores: TwoPhaseStores
  /** Seconds. */
  retryAfter: number
  /** Told of a transaction whose PostgreSQL half has ended as decided: its records can go. */
  onFinished: (gid: string, decision: 'commit' | 'abort') => void
  /** Told of a transaction that this process could not bring to its end. */
  onLeft: (gid: string) => void
}

/**
 * Commits both stores with one outcome. PostgreSQL is prepared; MongoDB decides, and logs the decision in its own
 * transaction; then PostgreSQL does as decided. Whoever finds no decision writes an abort under its name, which a later
 * commit would meet.
 */
export class Coordinator {
  /** The transactions that this process is committing. */
  readonly running = new Set<string>()
  readonly #options: CoordinatorOptions

  constructor (options: CoordinatorOptions) {
    this.#options = options
  }

  get #decisions (): Decisions {
    return this.#options.stores.decisions
  }

  /** Resolves when both stores are known to be able to do it. @throws ConnectionLostError while one is away */
  async ready (label: string): Promise<void> {
    const { stores, retryAfter } = this.#options
    if (stores.checked !== undefined) return
    try {
      await stores.check()
    } catch (error) {
      throw isAway(error) ? new ConnectionLostError(label, retryAfter, error) : error
    }
  }

  /**
   * Commits, and resolves once MongoDB has decided so: the PostgreSQL half may still be finishing where its server has died
   * meanwhile.
   * @throws OutcomeUnknownError when nobody could be asked in time; any other error means that nothing is committed
   */
  commit (halves: Halves, label: string): Promise<void> {
    return outsideTransaction(() => this.#commit(halves, label))
  }

  async #commit (halves: Halves, label: string): Promise<void> {
    const gid = await this.#getGid(halves, label)
    this.running.add(gid)
    try {
      await this.#prepare(halves, gid, label)
      const error = await this.#commitMongo(halves, gid)
      const verdict = error === undefined ? 'commit' : await this.#ask(gid)
      publishStep('decided', gid)
      await this.#finish(halves, gid, verdict)
      if (verdict === 'abort') throw explainAbort(error, label, this.#options.retryAfter)
      if (verdict === 'undecided') throw new OutcomeUnknownError(label, error)
    } finally {
      this.running.delete(gid)
    }
  }

  async #getGid ({ sql, mongo }: Halves, label: string): Promise<string> {
    try {
      return makeGid({ pair: this.#options.stores.getPair(label), session: mongo.sessionId })
    } catch (error) {
      await Promise.all([sql.rollback(undefined), mongo.rollback(undefined)])
      throw error
    }
  }

  /** Records the commit in the MongoDB transaction, which shows that MongoDB is there, then prepares PostgreSQL. */
  async #prepare ({ sql, mongo }: Halves, gid: string, label: string): Promise<void> {
    const { stores, retryAfter } = this.#options
    const { table } = await stores.check()
    try {
      await mongo.operate('the decision', (options) => this.#decisions.record(gid, options))
    } catch (error) {
      await Promise.all([mongo.rollback(undefined), sql.rollback(undefined)])
      throw error
    }
    publishStep('recorded', gid)
    let warning: string | undefined
    try {
      warning = await sql.prepare(prepareSql(table, gid))
    } catch (error) {
      // Not answered, it may be prepared all the same: without a decision that means abort.
      await mongo.rollback(undefined)
      if (error instanceof OutcomeUnknownError) this.#options.onLeft(gid)
      throw explainPrepare(error, label, retryAfter)
    }
    publishStep('prepared', gid)
    if (warning === undefined) return
    await mongo.rollback(undefined)
    await this.#finish({ sql, mongo }, gid, 'abort')
    throw new ConnectionLostError(label, retryAfter, new Error(warning))
  }

  async #commitMongo ({ mongo }: Halves, gid: string): Promise<unknown> {
    try {
      await mongo.commit()
      return undefined
    } catch (error) {
      return error ?? new Error(`the commit of ${gid} failed`)
    }
  }

  /** Asks until there is a decision, and makes one where there is none. */
  async #ask (gid: string): Promise<Verdict> {
    for (const until = performance.now() + patience;;) {
      const verdict = await this.#decisions.decide(gid)
      if (verdict !== 'undecided' || performance.now() > until) return verdict
      await sleep(100)
    }
  }

  async #finish ({ sql }: Halves, gid: string, verdict: Verdict): Promise<void> {
    const { onFinished, onLeft } = this.#options
    const statement = verdict === 'undecided' ? undefined : finishSql(verdict, gid)
    const isConfirmed = await sql.finish(statement)
    if (verdict === 'undecided' || !isConfirmed) return onLeft(gid)
    publishStep('finished', gid)
    onFinished(gid, verdict)
  }
}
