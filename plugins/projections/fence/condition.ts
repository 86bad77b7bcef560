import type { FastifyBaseLogger } from 'fastify'
import { REFUSALS, type Refusal } from './errors.ts'

/** `up`, or what is wrong between the stores. */
export type Condition = 'up' | 'repairing copies' | 'not one pair'

/** What this process knows of the pair as a whole, and since when; each change is told once. */
export class PairCondition {
  /** When it became what it is, as `Date.now()`. */
  since = Date.now()
  readonly #log: FastifyBaseLogger
  #refusal: Refusal | undefined
  #mends = 0
  #told: Refusal | undefined

  constructor (log: FastifyBaseLogger) {
    this.#log = log
  }

  get value (): Condition {
    if (this.#refusal !== undefined) return 'not one pair'
    return this.#mends > 0 ? 'repairing copies' : 'up'
  }

  /** Rounds of repair that are wanted and not done, as last read. */
  get mends (): number {
    return this.#mends
  }

  set mends (mends: number) {
    this.#change(() => {
      this.#mends = mends
    })
  }

  /** The stores must not work together; a single server that was left behind says nothing of the pair. */
  refuse (reason: Refusal): void {
    if (this.#told !== reason) this.#log.error({ fence: { found: reason } }, REFUSALS[reason])
    this.#told = reason
    if (reason === 'another server') return
    this.#change(() => {
      this.#refusal = reason
    })
  }

  /** The stores are one pair. */
  accept (): void {
    if (this.#refusal !== undefined) this.#log.info('the SQL database and MongoDB belong together')
    this.#told = undefined
    this.#change(() => {
      this.#refusal = undefined
    })
  }

  #change (change: () => void): void {
    const before = this.value
    change()
    if (this.value !== before) this.since = Date.now()
  }
}
