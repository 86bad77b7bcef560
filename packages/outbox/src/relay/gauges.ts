import type { OutboxStore, TopicGauge } from '../types.ts'

/** Rows of one topic, and when they were counted. */
export interface Measured extends TopicGauge {
  /** When this process last counted them; undefined until it has. `waiting` and `parked` are as of then. */
  measuredAt: Date | undefined
}

/** The backlog as last measured; ages go on between measurements. */
export class Gauges {
  readonly #store: OutboxStore
  readonly #onFailure: (error: unknown) => void
  #measured = new Map<string, TopicGauge>()
  #measuredAt: Date | undefined
  #timer: NodeJS.Timeout | undefined

  /** @param onFailure told why the backlog could not be counted, each time */
  constructor (store: OutboxStore, onFailure: (error: unknown) => void) {
    this.#store = store
    this.#onFailure = onFailure
  }

  /** Measures at once, and then every `interval` milliseconds. */
  start (interval: number): void {
    const measure = () => {
      this.#measure().catch(this.#onFailure)
    } // the database is away: the last numbers stand
    measure()
    this.#timer = setInterval(measure, interval).unref()
  }

  stop (): void {
    clearInterval(this.#timer)
  }

  of (topic: string): Measured {
    const { waiting, parked, oldestMs } = this.#measured.get(topic) ?? { waiting: 0, parked: 0, oldestMs: 0 }
    const measuredAt = this.#measuredAt
    const since = measuredAt === undefined ? 0 : Date.now() - measuredAt.getTime()
    return { topic, waiting, parked, oldestMs: waiting > 0 ? oldestMs + since : 0, measuredAt }
  }

  async #measure (): Promise<void> {
    const gauges = await this.#store.measure()
    this.#measured = new Map(gauges.map((gauge) => [gauge.topic, gauge]))
    this.#measuredAt = new Date()
  }
}
