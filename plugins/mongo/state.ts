import type { MongoClient } from 'mongodb'

const PRIMARY = new Set(['RSPrimary', 'Standalone', 'Mongos', 'LoadBalancer'])
const DEGRADED_MS = 2000

type Condition = 'up' | 'degraded' | 'down'

/** Thrown at once, without a wait, by everything that needs MongoDB while it is down. Code `DATABASE_DOWN`, 503. */
export class DatabaseDownError extends Error {
  readonly code = 'DATABASE_DOWN'
  readonly statusCode = 503
  readonly retryAfter = 1

  constructor () {
    super('MongoDB is not available.')
    this.name = 'DatabaseDownError'
  }
}

/**
 * What is known of MongoDB: `up` has a primary; `degraded` lost it less than two seconds ago, and operations wait for
 * the next one; `down` refuses at once. Until collections and indexes are as declared it is down too.
 */
export class MongoState {
  #condition: Condition = 'down'
  #isPrepared = false
  #hasPrimary = false
  #timer: NodeJS.Timeout | undefined
  readonly #onChange: (condition: Condition) => void

  /** @param onChange told of each change */
  constructor (onChange: (condition: Condition) => void = () => {}) {
    this.#onChange = onChange
  }

  /** up, degraded or down. */
  get state (): Condition {
    return this.#condition
  }

  /** Throws DatabaseDownError unless operations have a chance. */
  assertUp (): void {
    if (this.#condition === 'down') throw new DatabaseDownError()
  }

  /** Follows what the driver's monitors see. */
  watch (client: MongoClient): void {
    client.on('topologyDescriptionChanged', ({ newDescription }) => {
      this.#hasPrimary = [...newDescription.servers.values()].some(({ type }) => PRIMARY.has(type))
      this.#update()
    })
  }

  /** Collections and indexes are as declared: operations may begin. */
  prepared (hasPrimary = this.#hasPrimary): void {
    this.#isPrepared = true
    this.#hasPrimary = hasPrimary
    this.#update()
  }

  /** Ends the timer of a degraded state. */
  stop (): void {
    clearTimeout(this.#timer)
  }

  #update (): void {
    if (!this.#isPrepared) return
    if (this.#hasPrimary) this.#change('up')
    else if (this.#condition === 'up') {
      this.#change('degraded')
      this.#timer = setTimeout(() => {
        this.#change('down')
      }, DEGRADED_MS)
      this.#timer.unref()
    }
  }

  #change (condition: Condition): void {
    clearTimeout(this.#timer)
    if (condition === this.#condition) return
    this.#condition = condition
    this.#onChange(condition)
  }
}
