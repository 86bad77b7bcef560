import type { MongoClient } from 'mongodb'

const PRIMARY = new Set(['RSPrimary', 'Standalone', 'Mongos', 'LoadBalancer'])
const DEGRADED_MS = 2000

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
 * the next one; `down` refuses at once.
 */
export class MongoState {
  /** up, degraded or down. */
  state: 'up' | 'degraded' | 'down' = 'down'
  /** Why collections are not usable although the server is up, for example a validator that could not be set. */
  fault: string | undefined
  #timer: NodeJS.Timeout | undefined

  /** Throws DatabaseDownError unless operations have a chance. */
  assertUp (): void {
    if (this.state === 'down') throw new DatabaseDownError()
  }

  /** Follows what the driver's monitors see. */
  watch (client: MongoClient, onChange: (state: string) => void): void {
    client.on('topologyDescriptionChanged', ({ newDescription }) => {
      const primary = [...newDescription.servers.values()].some(({ type }) => PRIMARY.has(type))
      if (primary) this.#change('up', onChange)
      else if (this.state === 'up') this.#degrade(onChange)
    })
  }

  /** Ends the timer of a degraded state. */
  stop (): void {
    clearTimeout(this.#timer)
  }

  #degrade (onChange: (state: string) => void): void {
    this.#change('degraded', onChange)
    this.#timer = setTimeout(() => { this.#change('down', onChange) }, DEGRADED_MS)
    this.#timer.unref()
  }

  #change (state: MongoState['state'], onChange: (state: string) => void): void {
    if (state === this.state) return
    clearTimeout(this.#timer)
    this.state = state
    onChange(state)
  }
}
