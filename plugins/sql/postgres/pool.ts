import pg, { type PoolClient, type PoolConfig } from 'pg'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  isConnectionProblem,
  isReplicaError,
  noteDatabaseError,
  noteErrorsOf,
  PoolTimeoutError,
  TransactionError
} from 'fastify-transaction'
import { runAutocommit, type Query } from './autocommit.ts'
import { HostsClient } from '../../../drizzle/hosts/client.ts'
import { answers, becomesReady, destroy, isFit, isReady } from './connections.ts'
import { explained, isOfAnotherServer, isPassing, isQueueTimeout } from './refusals.ts'
import type { PoolRules } from './rules.ts'
import { isCommitUnanswered, UnansweredCommits, WAITING } from './unanswered.ts'

type Checkout = (error: Error | undefined, client: PoolClient | undefined, done: PoolClient['release']) => void

// HikariCP's figure: a connection used this recently is not worth a round trip.
const PING_AFTER_MS = 500
const PATIENCE_MS = 3000
const RETRY_AFTER_S = 1
/** Of all connections: so many are left to others when COMMITs hold all, beyond `max` if need be. */
const LEFT_TO_READS = 0.2
/** Of `size`: so many unanswered COMMITs are more than broken connections. */
const TOO_MANY = 0.25

/**
 * A `pg.Pool` that closes the overflow on return, resets on return, bounds its queue and lets no dead connection fail a
 * statement that was not sent yet.
 */
export class Pool extends pg.Pool {
  /**
   * Asked before a connection is handed out for the first time, again after another one broke (behind a pooler all of
   * them may lead elsewhere then), or each time where the rules say so. Throws what is wrong with where it leads;
   * false: ask again next time.
   */
  guard: ((client: PoolClient) => Promise<boolean>) | undefined
  /** True: the guard is asked at each checkout, as long as this says so. */
  isSuspect: () => boolean = () => false
  readonly #rules: PoolRules
  /** How many connections had broken when each was last let through. */
  readonly #guardedAt = new WeakMap<PoolClient, number>()
  #broken = 0
  readonly #usedAt = new WeakMap<PoolClient, number>()
  #downSince: number | undefined
  #isClosingBroken = false
  readonly #max: number
  readonly #unanswered = new UnansweredCommits(
    async () => (await this.query(WAITING)).rows.length > 0,
    () => {
      this.#makeRoom()
    }
  )

  constructor (options: PoolConfig, rules: PoolRules) {
    super(options)
    this.#rules = rules
    this.#max = this.options.max
    this.on('connect', noteErrorsOf)
    const query = (statement: Query, values?: unknown[]) => runAutocommit(this, statement, values, rules.queryTimeout)
    this.query = query as pg.Pool['query']
  }

  /**
   * Takes a connection; `release()` gives it back under the rules, `release(error)` destroys it.
   *
   * @throws PoolTimeoutError when none became free in time or the queue is full
   */
  override connect (): Promise<PoolClient>
  override connect (callback: Checkout): void
  override connect (callback?: Checkout): Promise<PoolClient> | undefined {
    const client = this.#take()
    if (callback === undefined) return client
    client.then((taken) => {
      callback(undefined, taken, taken.release)
    }, (error: Error) => {
      callback(error, undefined, () => {})
    })
    return undefined
  }

  /** True while the server takes no new connection; until one is taken again. */
  get isRefused (): boolean {
    return this.#downSince !== undefined
  }

  /** COMMITs, and writes without a transaction, that the server has not answered; each holds its connection. */
  get unansweredCommits (): number {
    return this.#unanswered.count
  }

  /** True while so many COMMITs are not answered that a synchronous standby must be away. */
  get refusesWrites (): boolean {
    return this.unansweredCommits >= Math.max(2, Math.ceil(this.#rules.size * TOO_MANY))
  }

  /**
   * Asked before a transaction that may write.
   * @throws TransactionError `TX_CONNECTION_LOST` while the server answers no COMMIT: nothing was begun
   */
  assertWritable (): void {
    if (!this.refusesWrites) return
    throw new TransactionError(
      'TX_CONNECTION_LOST',
      503,
      `The database does not answer COMMIT (${this.unansweredCommits} wait); nothing was begun.`
    )
  }

  override end (): Promise<void>
  override end (callback: () => void): void
  override end (callback?: () => void): Promise<void> | undefined {
    this.#unanswered.clear()
    if (callback === undefined) return super.end()
    super.end(callback)
    return undefined
  }

  /**
   * Takes a connection that is known to answer: one that was idle for a while is pinged, and replaced when it is dead.
   */
  async connectAlive (): Promise<PoolClient> {
    for (;;) {
      const client = await this.connect()
      const usedAt = this.#usedAt.get(client)
      const isFresh = usedAt === undefined || performance.now() - usedAt < PING_AFTER_MS
      if (!this.#rules.prePing || isFresh || await answers(client)) return client
      client.release(new Error('the connection did not answer a ping'))
    }
  }

  async #take (): Promise<PoolClient> {
    const mustWait = this.#free <= 0 && this.totalCount >= this.options.max
    if (mustWait && this.waitingCount >= this.#rules.maxWaiting) {
      throw new PoolTimeoutError(
        RETRY_AFTER_S,
        new Error(`${this.waitingCount} requests wait for a connection already`)
      )
    }
    const client = await this.#connectPatiently()
    if (this.guard !== undefined) await this.#assertAllowed(client, this.guard)
    const giveBack = client.release
    let isReleased = false
    client.release = (reason) => {
      if (isReleased) throw new Error('This connection was given back to the pool before; release it once.')
      isReleased = true
      this.#giveBack(client, giveBack, reason)
    }
    return client
  }

  async #assertAllowed (client: PoolClient, guard: NonNullable<typeof this.guard>): Promise<void> {
    const broken = this.#broken
    const isKnown = this.#guardedAt.get(client) === broken && this.#rules.guardsAlways !== true
    if (isKnown && !this.isSuspect()) return
    const ignore = () => {}
    client.on('error', ignore) // nobody else listens yet, and to a broken one nobody will
    try {
      if (await guard(client)) this.#guardedAt.set(client, broken)
    } catch (error) {
      if (isOfAnotherServer(error) && client instanceof HostsClient) client.leave()
      destroy(client, client.release, true)
      throw error
    }
    client.off('error', ignore)
  }

  /** Idle connections beyond those that waiting callers will get. */
  get #free (): number {
    return this.idleCount - this.waitingCount
  }

  // A server that restarts refuses for a moment; one that is down for longer is reported at once.
  async #connectPatiently (): Promise<PoolClient> {
    for (;;) {
      try {
        const client = await super.connect()
        this.#downSince = undefined
        // A session that leads to a server which was demoted has said so with its last answer.
        if (isFit(client)) return client
        destroy(client, client.release, true)
      } catch (error) {
        if (isQueueTimeout(error)) throw new PoolTimeoutError(RETRY_AFTER_S, error)
        this.#broken++
        if (this.#downSince === undefined && error instanceof Error) this.#rules.onRefused?.(error)
        this.#downSince ??= performance.now()
        if (this.ending || !isPassing(error) || performance.now() - this.#downSince > PATIENCE_MS) {
          throw noteDatabaseError(explained(error))
        }
        await sleep(50)
      }
    }
  }

  #giveBack (client: PoolClient, release: PoolClient['release'], reason: Error | boolean | undefined): void {
    if (reason !== undefined && reason !== false) {
      if (isCommitUnanswered(client)) return this.#hold(client, release)
      if (isConnectionProblem(reason)) this.#broken++
      destroy(client, release, reason)
      if (reason instanceof Error) void this.#closeBroken(reason)
      return
    }
    if (isReady(client)) this.#keep(client, release)
    else void becomesReady(client).then((ready) => ready ? this.#keep(client, release) : destroy(client, release, true))
  }

  #hold (client: PoolClient, release: PoolClient['release']): void {
    this.#unanswered.add(client, () => {
      destroy(client, release, true)
    })
  }

  #makeRoom (): void {
    this.options.max = Math.max(this.#max, this.#unanswered.count + Math.ceil(this.#max * LEFT_TO_READS))
    // pg-pool looks at its queue when a connection comes back; here none does.
    const { _pulseQueue } = this as unknown as { _pulseQueue: () => void }
    if (!this.ending) _pulseQueue.call(this)
  }

  #keep (client: PoolClient, release: PoolClient['release']): void {
    this.#usedAt.set(client, performance.now())
    if (client.getTransactionStatus() !== 'I' || !isFit(client)) destroy(client, release, true)
    else release(this.#free >= this.#rules.size)
  }

  /** One useless connection is seldom alone: pings all idle ones at once, so that no request has to find the others. */
  async #closeBroken (reason: Error): Promise<void> {
    if (this.#isClosingBroken || this.ending) return
    this.#isClosingBroken = true
    const idle = Array.from({ length: Math.max(this.#free, 0) }, () => super.connect())
    // A replica answers pings; its other sessions would serve old rows to reads until a write finds them.
    const isUseless = isReplicaError(reason)
    await Promise.allSettled(idle.map(async (checkout) => {
      const client = await checkout
      if (!isUseless && await answers(client)) this.#keep(client, client.release)
      else destroy(client, client.release, true)
    }))
    this.#isClosingBroken = false
  }
}
