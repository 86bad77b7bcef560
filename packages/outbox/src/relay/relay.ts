import { setTimeout as sleep } from 'node:timers/promises'
import { deliver } from './deliver.ts'
import { OutboxError, getAdvice, isTimeout } from '../errors.ts'
import type { Apply, Failure, Log, OutboxEvent, OutboxStore, Settlement } from '../types.ts'

/** Longest error text that is kept with a row. */
const MESSAGE_LENGTH = 500
const FIRST_BACK_OFF = 50
const LONGEST_BACK_OFF = 5000

export interface RelayOptions {
  store: OutboxStore
  topic: string
  apply: Apply
  ordered: boolean
  bothEnds: boolean
  batchSize: number
  pollInterval: number
  maxAttempts: number
  applyTimeout: number
  isTransient: (error: unknown) => boolean
  log: Log
  /** Told the ids of applied rows, after the commit that removed them. */
  onApplied: (ids: string[]) => void
}

/** What a relay has done since it started, and how it fares. */
export interface RelayStats {
  topic: string
  state: 'working' | 'backing off' | 'stopped'
  applied: number
  /** Failed tries. */
  failed: number
  /** Milliseconds from the writing of the oldest event in the last batch to its application. */
  latencyMs: number
  /** Code or name of the error it backs off from. */
  error: string | undefined
}

/** The loop of one topic: claim, apply, settle; so one target that is away holds up nobody else's events. */
export class Relay {
  readonly #options: RelayOptions
  readonly #abort = new AbortController()
  readonly #stats: RelayStats
  #loop: Promise<void> | undefined
  #limit: number
  #isStopping = false
  #isWoken = false
  #setbacks = 0
  #advice: string | undefined
  #wake: () => void = () => {}

  constructor (options: RelayOptions) {
    this.#options = options
    this.#limit = options.batchSize
    this.#stats = { topic: options.topic, state: 'stopped', applied: 0, failed: 0, latencyMs: 0, error: undefined }
  }

  get stats (): RelayStats {
    return { ...this.#stats }
  }

  start (): void {
    this.#loop ??= this.#run()
  }

  /** Looks for events now instead of at the next poll. Does nothing while the target is known to be away. */
  wake (): void {
    this.#isWoken = true
    if (this.#setbacks === 0) this.#wake()
  }

  /** Finishes the running batch, but no longer than `grace` milliseconds; then it is undone, for others to take. */
  async stop (grace: number): Promise<void> {
    this.#isStopping = true
    this.#wake()
    const timer = setTimeout(() => {
      this.#abort.abort(new OutboxError('OUTBOX_STOPPED', 'the relay was stopped'))
    }, grace)
    const last = new AbortController()
    await Promise.race([this.#loop, sleep(grace + 1000, undefined, { signal: last.signal }).catch(() => {})])
    clearTimeout(timer)
    last.abort()
    this.#stats.state = 'stopped'
  }

  async #run (): Promise<void> {
    while (!this.#isStopping) {
      this.#isWoken = false
      const pause = await this.#turn()
      const isWanted = this.#isWoken && this.#setbacks === 0
      if (pause > 0 && !isWanted && !this.#isStopping) await this.#rest(pause)
    }
  }

  /** One batch; resolves to the milliseconds to rest after it. */
  async #turn (): Promise<number> {
    const { store, topic, ordered, bothEnds, applyTimeout, batchSize, pollInterval } = this.#options
    const limit = this.#limit
    let applied: string[] = []
    try {
      const count = await store.work(
        { topic, limit, ordered, bothEnds, timeout: applyTimeout + 2000 },
        async (events) => {
          const settlement = await this.#settle(events)
          applied = settlement.done
          return settlement
        }
      )
      this.#recover()
      this.#stats.applied += applied.length
      this.#options.onApplied(applied)
      this.#limit = Math.min(batchSize, limit * 4)
      return count === limit || (ordered && count > 0) ? 0 : pollInterval
    } catch (error) {
      return this.#backOff(error)
    }
  }

  async #settle (events: OutboxEvent[]): Promise<Settlement> {
    const { apply, applyTimeout, isTransient } = this.#options
    const failures = await deliver(events, { apply, timeout: applyTimeout, signal: this.#abort.signal, isTransient })
    const byId = new Map(failures.map((failure) => [failure.id, failure]))
    const settlement: Settlement = { done: [], failed: [] }
    for (const event of events) {
      const failure = byId.get(event.id)
      if (failure === undefined) settlement.done.push(event.id)
      else settlement.failed.push(this.#fail(event, failure))
    }
    const [oldest] = events
    if (oldest !== undefined && settlement.done.length > 0) {
      // Whatever a store makes of the time: a figure is no reason for a batch to fail.
      const latencyMs = Date.now() - Number(oldest.createdAt)
      if (Number.isFinite(latencyMs)) this.#stats.latencyMs = Math.max(0, latencyMs)
    }
    return settlement
  }

  #fail (event: OutboxEvent, failure: Failure): Settlement['failed'][number] {
    const { topic, maxAttempts, log } = this.#options
    const attempts = event.attempts + 1
    const park = failure.park === true || attempts >= maxAttempts
    this.#stats.failed++
    const context = { outbox: { topic, id: event.id, key: event.key, attempts, error: getName(failure.error) } }
    if (park) {
      log.error(context, 'an outbox event was parked: see its last_error, then replay or discard it')
    } else {
      log.warn(context, 'an outbox event failed and will be tried again')
    }
    return { id: event.id, message: getMessage(failure.error), park }
  }

  #backOff (error: unknown): number {
    if (isTimeout(error)) this.#limit = 1 // one by one, until the event that hangs is found
    if (!this.#isStopping) this.#tell(error)
    this.#setbacks++
    this.#stats.state = 'backing off'
    this.#stats.error = getName(error)
    const most = Math.min(FIRST_BACK_OFF * 2 ** Math.min(this.#setbacks, 10), LONGEST_BACK_OFF)
    return most / 2 + Math.random() * most / 2
  }

  /** Once for each row of setbacks, and where something must be done about it once more. */
  #tell (error: unknown): void {
    const { log, topic } = this.#options
    const advice = getAdvice(error)
    const context = { outbox: { topic, error: getName(error) } }
    if (advice !== undefined && advice !== this.#advice) log.error(context, advice)
    else if (this.#setbacks === 0) log.warn(context, 'outbox events wait: a database is away or refuses')
    this.#advice = advice
  }

  #recover (): void {
    if (this.#setbacks > 0) {
      this.#options.log.info({ outbox: { topic: this.#options.topic } }, 'outbox events flow again')
    }
    this.#setbacks = 0
    this.#advice = undefined
    this.#stats.state = 'working'
    this.#stats.error = undefined
  }

  #rest (ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms)
      this.#wake = () => {
        clearTimeout(timer)
        resolve()
      }
    })
  }
}

// Messages of drivers may hold values: they stay in the table and out of the log.
function getName (given: unknown): string {
  const isExplained = given instanceof OutboxError && given.code === 'OUTBOX_STORE'
  const error = isExplained ? given.cause : given
  if (!(error instanceof Error)) return 'unknown'
  return 'code' in error && (typeof error.code === 'string' || typeof error.code === 'number')
    ? `${error.name} ${error.code}`
    : error.name
}

function getMessage (error: unknown): string {
  return String(error).replaceAll('\0', '').slice(0, MESSAGE_LENGTH)
}
