import type { OutboxStore, TopicGauge } from '../types.ts'

/** The backlog as last measured; ages go on between measurements. */
export class Gauges {
  readonly #store: OutboxStore
  #measured = new Map<string, TopicGauge>()
  #measuredAt = 0
  #timer: NodeJS.Timeout | undefined

  constructor (store: OutboxStore) {
    this.#store = store
  }

  /** Measures at once, and then every `interval` milliseconds. */
  start (interval: number): void {
    const measure = () => {
      this.#measure().catch(() => {})
    } // the database is away: the last numbers stand
    measure()
    this.#timer = setInterval(measure, interval).unref()
  }

  stop (): void {
    clearInterval(this.#timer)
  }

  of (topic: string): TopicGauge {
    const { waiting, parked, oldestMs } = this.#measured.get(topic) ?? { waiting: 0, parked: 0, oldestMs: 0 }
    return { topic, waiting, parked, oldestMs: waiting > 0 ? oldestMs + Date.now() - this.#measuredAt : 0 }
  }

  async #measure (): Promise<void> {
    const gauges = await this.#store.measure()
    this.#measured = new Map(gauges.map((gauge) => [gauge.topic, gauge]))
    this.#measuredAt = Date.now()
  }
}
