import { randomUUID } from 'node:crypto'
import type { FastifyBaseLogger } from 'fastify'
import type { Db } from 'mongodb'
import { withTimeout } from '../../common/with-timeout.ts'
import { PairCondition, type Condition } from './condition.ts'
import { FenceError } from './errors.ts'
import {
  NOTHING,
  getNextMark,
  hasHistorySince,
  isBehind,
  isUpToDate,
  judgeKnown,
  toMarks,
  type MongoMarks,
  type SqlState,
  type Verdict
} from './judge.ts'
import { beginEpoch, meet, readMarks } from './mongo-marks.ts'
import { insertMark, isMissing, lift, lockFence, readState, setMark } from './sql-marks.ts'
import type { Sql } from '../sql.ts'

export interface FenceOptions {
  engine: 'postgres' | 'sqlite'
  /** One transaction on a connection that the fence does not check. */
  transaction: <Result>(fn: (tx: Sql) => Promise<Result>) => Promise<Result>
  /** MongoDB's database; undefined while it is away. */
  mongo: () => Db | undefined
  /** True for a database in memory, which is new each time. */
  isPassing: boolean
  log: FastifyBaseLogger
}

/** What an operator allows: `again` a repair after many, `adopt` stores of different pairs too. */
export type Wish = 'again' | 'adopt' | undefined

/** Milliseconds for which MongoDB's marks are believed; each new connection would ask otherwise. */
const BELIEVED_MS = 200
const PATIENCE_MS = 2000
const OFTEN = 3
const OFTEN_MS = 600_000

/**
 * Keeps a store from being used that went back in time, or that belongs to another pair. Both stores hold the id of
 * their pair, an epoch and a counter. Where one has forgotten what the other knows of it, ids and versions go on behind
 * all that were ever seen, a new epoch begins and the copies are compared. Stores of different pairs are refused.
 */
export class Fence {
  /** Called when something was carried over; whoever counts sets it. */
  wake: () => void = () => {}
  /** Times this process found that a store had gone back. */
  repairs = 0
  readonly #options: FenceOptions
  readonly #condition: PairCondition
  /** What this process has seen of SQL: without MongoDB it tells a server that is behind. */
  #seen: SqlState | undefined
  #marks: { at: number; read: Promise<MongoMarks | undefined> } | undefined
  #settling: Promise<void> | undefined

  constructor (options: FenceOptions) {
    this.#options = options
    this.#condition = new PairCondition(options.log)
  }

  /**
   * Names the pair and its epoch: what was said of another one says nothing of this one. Undefined until SQL was asked.
   */
  get timeline (): string | undefined {
    const mark = this.#seen?.mark
    return mark && `${mark.pair.slice(0, 8)}${mark.epoch.toString(36)}`
  }

  /** Pair, epoch and count as this process has seen them last; undefined until SQL was asked. */
  get mark (): { pair: string; epoch: number; counter: number } | undefined {
    const mark = this.#seen?.mark
    return mark && { pair: mark.pair, epoch: mark.epoch, counter: mark.counter }
  }

  /** `up`, or what is wrong between the stores. */
  get condition (): Condition {
    return this.#condition.value
  }

  /** Since when that is so, as `Date.now()`. */
  get since (): number {
    return this.#condition.since
  }

  /** Rounds of repair that are wanted and not done, as last read. */
  get mends (): number {
    return this.#condition.mends
  }

  /**
   * Checks where a connection leads, and repairs what can be repaired first.
   * @returns false on a replica, of which nothing is known
   * @throws FenceError when the connection must not be used
   */
  async check (sql: Sql): Promise<boolean> {
    const found = await this.#look(sql)
    if (found !== 'behind') return found === 'fine'
    await this.settle()
    const known = await this.#readMarks(0) ?? toMarks(this.#seen)
    const after = await readState(sql, this.#options.engine)
    if (after !== undefined && known !== undefined && isUpToDate(after, known)) return true
    this.#condition.refuse('another server')
    throw new FenceError('another server')
  }

  /**
   * Compares the stores, and repairs what can be repaired.
   * @throws FenceError when they must not work together
   */
  async compare (): Promise<void> {
    const found = await this.#options.transaction((tx) => this.#look(tx))
    if (found === 'behind') await this.settle()
  }

  /**
   * Explains why a copy is newer than an event about it: another event came first, or SQL has forgotten the version.
   * @param version the copy's
   */
  async explain (version: number): Promise<void> {
    const state = await this.#options.transaction((tx) => readState(tx, this.#options.engine))
    if (state !== undefined && state.event < version) await this.settle()
  }

  /** True for the id of an event that was given out. Never throws. */
  async hasIssued (event: string): Promise<boolean> {
    try {
      const state = await this.#options.transaction((tx) => readState(tx, this.#options.engine))
      return state !== undefined && BigInt(event) <= BigInt(state.event)
    } catch {
      return false
    }
  }

  async #look (sql: Sql): Promise<'fine' | 'behind' | 'replica'> {
    const marks = await this.#readMarks(BELIEVED_MS)
    try {
      const state = await readState(sql, this.#options.engine)
      if (state === undefined) return 'replica'
      return await this.#isFine(state, marks) ? 'fine' : 'behind'
    } catch (error) {
      if (isMissing(error)) return 'fine'
      throw error
    }
  }

  /**
   * Compares the stores under a lock and does what follows.
   * @param wish what an operator allows
   * @throws FenceError when they must not work together
   */
  async settle (wish?: Wish): Promise<void> {
    if (wish === undefined && this.#settling !== undefined) return await this.#settling
    const settling = this.#options.transaction((tx) => this.#settle(tx, wish))
    this.#settling = settling
    try {
      await settling
    } catch (error) {
      if (error instanceof FenceError) this.#condition.refuse(error.reason)
      throw error
    } finally {
      if (this.#settling === settling) this.#settling = undefined
    }
  }

  async #settle (tx: Sql, wish: Wish): Promise<void> {
    const { engine, mongo } = this.#options
    await lockFence(tx, engine)
    const read = await this.#readMarks(0)
    const marks = read ?? toMarks(this.#seen)
    const sql = await readState(tx, engine)
    if (sql === undefined) throw new FenceError('another server')
    const db = mongo()
    const verdict = judgeKnown(sql, read, marks)
    if (verdict === 'new' && (marks === undefined || !isBehind(sql, marks))) {
      const own = sql.mark?.pair ?? randomUUID()
      const pair = db === undefined ? own : await meet(db, own)
      await insertMark(tx, pair)
      if (sql.mark !== undefined && sql.mark.pair !== pair) throw new FenceError('two pairs')
    } else if (verdict !== 'one') await this.#beginAnew(tx, { sql, marks: marks ?? NOTHING, verdict, wish, db })
    this.#marks = undefined
    const state = await readState(tx, engine)
    if (state !== undefined) this.#remember(state, true)
    this.#condition.accept()
  }

  async #beginAnew (
    tx: Sql,
    { sql, marks, verdict, wish, db }: {
      sql: SqlState
      marks: MongoMarks
      verdict: Exclude<Verdict, 'one'>
      wish: Wish
      db: Db | undefined
    }
  ): Promise<void> {
    const { engine, isPassing, log } = this.#options
    const isBack = verdict === 'new' || verdict === 'sql went back' || verdict === 'mongodb went back'
    if (!isBack && wish !== 'adopt' && !isPassing) throw new FenceError(verdict)
    const recent = marks.mark?.mends.filter((date) => date.getTime() > Date.now() - OFTEN_MS) ?? []
    if (wish === undefined && !isPassing && recent.length >= OFTEN) throw new FenceError('went back too often')
    const seen = this.#seen ?? sql
    await lift(tx, engine, {
      user: Math.max(sql.user, marks.user, marks.author, seen.user),
      event: Math.max(sql.event, marks.event, seen.event)
    })
    const mark = getNextMark(sql, marks)
    const deletionsMissed = verdict === 'mongodb went back' && hasHistorySince(sql, marks)
    if (db !== undefined) await beginEpoch(db, mark, { isWish: wish !== undefined, deletionsMissed })
    await setMark(tx, mark)
    this.repairs++
    const fence = { found: verdict === 'new' ? 'sql went back' : verdict, epoch: mark.epoch }
    log.warn({ fence }, 'a store went back in time or was replaced: its copies are compared')
  }

  /** Takes over what was read of SQL; `isNew`: also where it is behind what was seen before. */
  #remember (state: SqlState, isNew = false): void {
    const seen = this.#seen
    this.#condition.mends = state.mends
    this.#seen = seen === undefined || isNew || seen.mark?.epoch !== state.mark?.epoch
      ? state
      : { ...state, user: Math.max(seen.user, state.user), event: Math.max(seen.event, state.event) }
  }

  async #isFine (state: SqlState, marks: MongoMarks | undefined): Promise<boolean> {
    if (this.condition === 'not one pair') return false
    let verdict = judgeKnown(state, marks, toMarks(this.#seen))
    // What was read of MongoDB is older than what SQL says of it.
    if (verdict === 'mongodb went back') {
      verdict = judgeKnown(state, await this.#readMarks(0), toMarks(this.#seen))
    }
    const isFine = verdict === 'one' || (marks === undefined && verdict === 'new' && state.mark !== undefined)
    if (isFine) this.#remember(state)
    return isFine
  }

  #readMarks (age: number): Promise<MongoMarks | undefined> {
    const db = this.#options.mongo()
    if (db === undefined) return Promise.resolve(undefined)
    if (this.#marks === undefined || performance.now() - this.#marks.at >= age) {
      const read = withTimeout(readMarks(db).catch(() => undefined), PATIENCE_MS, () => undefined)
      this.#marks = { at: performance.now(), read }
    }
    return this.#marks.read
  }
}
