import type { FastifyBaseLogger } from 'fastify'
import type { MongoClient } from 'mongodb'
import { ignore } from '../core/given-promises.ts'
import { outsideTransaction } from '../core/outside-queries.ts'
import { TransactionUsageError } from '../errors.ts'
import { withTimeout } from '../core/with-timeout.ts'
import type { Cleaner } from './cleaner.ts'
import { parseGid } from './gid.ts'
import type { Doubt, InDoubt } from './in-doubt.ts'
import { endAbandoned } from './open-sessions.ts'
import type { Prepared } from './prepared.ts'
import type { TwoPhaseStores } from './stores.ts'
import { Sweep } from './sweep.ts'

/** Milliseconds between two rounds. */
const pause = 1000
/** Age from which a prepared transaction may have lost its process, in milliseconds; its own process is bounded by far more. */
const youngest = 2000
/** Rounds between two looks for records that no process has removed. */
const roundsPerSweep = 10
const roundTimeout = 20_000
const longestStop = 2000
const mostLeft = 1000

export interface RecoveryOptions {
  stores: TwoPhaseStores
  client: MongoClient
  cleaner: Cleaner
  /** What this process is committing. */
  running: ReadonlySet<string>
  log: FastifyBaseLogger
}

/**
 * Ends what a process has left prepared, its own or another's: an existing decision is carried out, a missing one becomes
 * an abort. Any number of processes may do so at once.
 */
export class Recovery {
  /** Transactions that this process has ended in place of the one that began them, by decision. */
  readonly settled = { commit: 0, abort: 0 }
  readonly #options: RecoveryOptions
  readonly #sweep: Sweep
  /** Given up by this process: nobody is at work on them, whatever their age. */
  readonly #left = new Set<string>()
  readonly #told = new Set<string>()
  #prepared: InDoubt[] = []
  #round: Promise<void> | undefined
  #timer: NodeJS.Timeout | undefined
  #rounds = 0
  #isStopped = true

  constructor (options: RecoveryOptions) {
    this.#options = options
    this.#sweep = new Sweep(options)
  }

  /** What was in doubt when this process last looked. */
  get inDoubt (): readonly InDoubt[] {
    return [...this.#prepared, ...this.#sweep.lost]
  }

  start (): void {
    this.#isStopped = false
    this.#schedule(0)
  }

  async stop (): Promise<void> {
    this.#isStopped = true
    clearTimeout(this.#timer)
    // A store that is away must not keep the process: what was not ended, another one ends.
    await withTimeout(longestStop, this.#round ?? Promise.resolve(), 'the round goes on').catch(ignore)
  }

  /** Takes over a transaction that this process could not end. */
  takeOver (gid: string): void {
    // Those that were never prepared are not seen again; older ones are found by their age.
    if (this.#left.size >= mostLeft) this.#left.clear()
    this.#left.add(gid)
    this.#schedule(0)
  }

  /**
   * Looks now, and ends what can be ended.
   * @param isThorough also what is younger, and the records of halves that were lost
   */
  async look (isThorough = false): Promise<readonly InDoubt[]> {
    await this.#round
    await outsideTransaction(() => this.#look(isThorough))
    return this.inDoubt
  }

  #schedule (time: number): void {
    if (this.#isStopped) return
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => {
      this.#round ??= outsideTransaction(() => this.#lookInTime()).finally(() => {
        this.#round = undefined
        this.#schedule(pause)
      })
    }, time).unref()
  }

  async #lookInTime (): Promise<void> {
    const isThorough = this.#rounds++ % roundsPerSweep === 0
    // A store that is away is asked again a second later.
    await withTimeout(roundTimeout, this.#look(isThorough), 'a round of recovery took too long').catch(ignore)
  }

  async #look (isThorough: boolean): Promise<void> {
    const { stores } = this.#options
    const { halves } = await stores.check()
    const found = await halves.list()
    this.#prepared = found.map((each) => ({ ...each, doubt: 'waiting' }))
    // A store that is away leaves the pair unknown.
    const pair = found.length > 0 || isThorough ? await stores.readPair().catch(() => undefined) : undefined
    await this.#endAll(found, pair)
    if (isThorough && pair !== undefined) await this.#sweep.run()
    this.#tell()
  }

  async #endAll (found: Prepared[], pair: string | undefined): Promise<void> {
    const { running, client } = this.#options
    const due = found.filter(({ gid, age }) => !running.has(gid) && (age >= youngest || this.#left.has(gid)))
    const own = due.filter(({ gid }) => pair !== undefined && parseGid(gid)?.pair === pair)
    const sessions = own.flatMap(({ gid }) => parseGid(gid)?.session ?? [])
    if (sessions.length > 0) await endAbandoned(client, new Set(sessions)).catch(ignore)
    const doubts = new Map(
      due.map(({ gid }) => [gid, pair === undefined ? 'undecided' : 'another pair'] as [string, Doubt])
    )
    await Promise.all(
      own.map(async ({ gid }) => {
        const doubt = await this.#end(gid).catch(() => 'undecided' as const)
        if (doubt === undefined) doubts.delete(gid)
        else doubts.set(gid, doubt)
      })
    )
    const ended = new Set(own.filter(({ gid }) => !doubts.has(gid)).map(({ gid }) => gid))
    this.#prepared = found.filter(({ gid }) => !ended.has(gid)).map((each) => (
      { ...each, doubt: doubts.get(each.gid) ?? 'waiting' }
    ))
  }

  /** Carries a decision out; resolves to what is still in doubt. */
  async #end (gid: string): Promise<Doubt | undefined> {
    const { stores, cleaner, log } = this.#options
    const { halves } = await stores.check()
    const decision = await stores.decisions.decide(gid)
    if (decision === 'undecided') return 'undecided'
    const isEnded = await halves.finish(decision, gid)
    this.#left.delete(gid)
    // Where another process was faster, its sweep removes the records too.
    if (!isEnded) return undefined
    this.settled[decision]++
    log.warn({ twoPhase: { gid, decision } }, 'ended a transaction of both stores that its process had left prepared')
    if (decision === 'abort') cleaner.add(gid, decision)
    else await this.#sweep.clean([gid])
    return undefined
  }

  /** Says once of each what somebody must look at. */
  #tell (): void {
    const { log } = this.#options
    const alarming = this.inDoubt.filter(({ doubt }) => doubt === 'another pair' || doubt === 'lost half')
    for (const { gid, doubt } of alarming) {
      if (this.#told.has(gid)) continue
      this.#told.add(gid)
      log.error(
        { twoPhase: { gid, doubt } },
        doubt === 'lost half'
          ? 'PostgreSQL has lost its half of a transaction that MongoDB has committed; see docs/two-phase.md'
          : 'a prepared transaction belongs to another pair of stores and is left alone; see docs/two-phase.md'
      )
    }
  }

  /**
   * Ends by hand what recovery leaves alone.
   * @param how `commit` or `rollback` ends a prepared transaction; `forget` removes the decision of a lost half
   * @throws TransactionUsageError where the name or its state does not fit
   */
  async settle (gid: string, how: 'commit' | 'rollback' | 'forget'): Promise<void> {
    const { stores, cleaner } = this.#options
    const { halves } = await stores.check()
    const parsed = parseGid(gid)
    if (parsed === undefined) {
      throw new TransactionUsageError(`${JSON.stringify(gid)} is not the name of a transaction of both stores`)
    }
    const isPrepared = (await halves.list()).some((each) => each.gid === gid)
    if (isPrepared === (how === 'forget')) {
      throw new TransactionUsageError(
        isPrepared
          ? `${gid} is prepared; end it by commit or rollback`
          : `${gid} is not prepared; only forget can end it`
      )
    }
    if (how === 'forget') return await stores.decisions.remove([gid])
    // A decision of this pair must not be contradicted.
    const known = parsed.pair === await stores.readPair() ? await stores.decisions.decide(gid) : undefined
    const wanted = how === 'commit' ? 'commit' : 'abort'
    if (known !== undefined && known !== wanted) {
      throw new TransactionUsageError(`${gid}: MongoDB says ${known}, and the two stores must not differ`)
    }
    await halves.finish(wanted, gid)
    cleaner.add(gid, wanted)
    await cleaner.flush()
  }
}
