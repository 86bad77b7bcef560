import { randomUUID } from 'node:crypto'
import type { FastifyBaseLogger } from 'fastify'
import type { Db } from 'mongodb'
import type { Sql } from '../sql.ts'
import { FenceError } from './errors.ts'
import type { Fence } from './fence.ts'
import { endMend, takeMend } from './mend-lease.ts'
import { follow } from './mongo-marks.ts'
import { confirm, count } from './sql-marks.ts'

export interface KeeperOptions {
  fence: Fence
  engine: 'postgres' | 'sqlite'
  /** One transaction on a connection that the fence does not check. */
  transaction: <Result>(fn: (tx: Sql) => Promise<Result>) => Promise<Result>
  /** MongoDB's database; undefined while it is away. */
  mongo: () => Db | undefined
  /** Compares and repairs every copy; one round that was interrupted is gone on with. Resolves to what was found, by copy. */
  mend: (round: number) => Promise<Record<string, Record<string, number>>>
  log: FastifyBaseLogger
}

const EVERY_MS = 2000
/** Least time between two counts while much is carried over. */
const APART_MS = 250
const RENEW_MS = 10_000

/**
 * Moves the fence on while the projections work, so that what a store forgets is noticed to a quarter of a second, and
 * repairs the copies when that is wanted. Any number of processes may do this at once; one of them repairs.
 */
export class Keeper {
  readonly #options: KeeperOptions
  readonly #name = randomUUID()
  #timer: NodeJS.Timeout | undefined
  #turn: Promise<void> | undefined
  #mending: Promise<void> | undefined
  #isWoken = false
  #isStopped = true

  constructor (options: KeeperOptions) {
    this.#options = options
  }

  start (): void {
    this.#isStopped = false
    this.#options.fence.wake = () => {
      this.#wake()
    }
    this.#plan(0)
  }

  async stop (): Promise<void> {
    this.#isStopped = true
    clearTimeout(this.#timer)
    await Promise.all([this.#turn, this.#mending])
  }

  /** Something is carried over: counts when that is done. */
  #wake (): void {
    if (this.#isStopped || this.#isWoken) return
    this.#isWoken = true
    if (this.#turn === undefined) this.#plan(APART_MS)
  }

  #plan (ms: number): void {
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => {
      this.#isWoken = false
      this.#turn = this.#count().catch(() => {}).then(() => {
        this.#turn = undefined
        if (!this.#isStopped) this.#plan(this.#isWoken ? APART_MS : EVERY_MS)
      })
    }, ms).unref()
  }

  async #count (): Promise<void> {
    const { fence, transaction, mongo } = this.#options
    await fence.compare()
    const db = mongo()
    if (fence.mends > 0 && db !== undefined) this.#mending ??= this.#mend().finally(() => this.#mending = undefined)
    const mark = await transaction(count)
    if (db === undefined || mark === undefined || !await follow(db, mark)) return
    await transaction((tx) => confirm(tx, mark))
  }

  async #mend (): Promise<void> {
    const { engine, transaction, mend, log } = this.#options
    const take = () => transaction((tx) => takeMend(tx, engine, this.#name))
    const round = await take().catch(() => undefined)
    if (round === undefined) return
    const renewal = setInterval(() => {
      take().catch(() => {})
    }, RENEW_MS)
    try {
      const found = await mend(round)
      await transaction((tx) => endMend(tx, round))
      log.warn({ fence: found }, 'the copies were compared with their originals and repaired')
    } catch (error) {
      if (!(error instanceof FenceError)) log.warn({ err: error }, 'the copies could not be repaired yet; trying again')
    } finally {
      clearInterval(renewal)
    }
  }
}
