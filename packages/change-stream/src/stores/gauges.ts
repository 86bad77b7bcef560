import { getAdvice } from '../errors.ts'
import type { Log, StreamGauge, StreamStore } from '../types.ts'

/** Milliseconds without a leader after which somebody is told. */
const LEADERLESS_AFTER = 10_000

/** Who leads each stream and how far its copy is, as the table says: every process knows it, whoever leads. */
export class Gauges {
  readonly #store: StreamStore
  readonly #log: Log
  readonly #isToldByOthers: () => boolean
  #advice: string | undefined
  #measured = new Map<string, StreamGauge>()
  #measuredAt: Date | undefined
  /** Since when a stream was seen without a leader. */
  readonly #leaderless = new Map<string, number>()
  readonly #told = new Set<string>()
  #timer: NodeJS.Timeout | undefined

  /** @param isToldByOthers whether those who follow tell what is wrong with the table */
  constructor (store: StreamStore, log: Log, isToldByOthers: () => boolean) {
    this.#store = store
    this.#log = log
    this.#isToldByOthers = isToldByOthers
  }

  start (interval: number, streams: () => string[]): void {
    const measure = () => {
      this.#measure(streams()).catch(this.#tell)
    } // the database is away: the last numbers stand
    measure()
    this.#timer = setInterval(measure, interval).unref()
  }

  stop (): void {
    clearInterval(this.#timer)
  }

  /** Milliseconds the SQL side is behind, at most; undefined while nothing was measured. */
  getLag (stream: string): number | undefined {
    const currentMs = this.#measured.get(stream)?.currentMs
    return currentMs === undefined ? undefined : currentMs + Date.now() - Number(this.#measuredAt)
  }

  /** When the table was last read; undefined until it was. */
  get measuredAt (): Date | undefined {
    return this.#measuredAt
  }

  /** Since when the process that leads a stream does so; undefined where none does, as last measured. */
  getLedSince (stream: string): Date | undefined {
    return this.#measured.get(stream)?.ledSince
  }

  /** True while nobody has led a stream for ten seconds. */
  isLeaderless (stream: string): boolean {
    const since = this.#leaderless.get(stream)
    return since !== undefined && performance.now() - since >= LEADERLESS_AFTER
  }

  async #measure (streams: string[]): Promise<void> {
    const gauges = await this.#store.measure()
    this.#measured = new Map(gauges.map((gauge) => [gauge.stream, gauge]))
    this.#measuredAt = new Date()
    for (const stream of streams) this.#note(stream, this.#measured.get(stream)?.isLed === true)
  }

  readonly #tell = (error: unknown): void => {
    const advice = getAdvice(error)
    if (advice === undefined || advice === this.#advice || this.#isToldByOthers()) return
    this.#advice = advice
    this.#log.error({ changeStream: {} }, advice)
  }

  #note (stream: string, isLed: boolean): void {
    if (isLed) {
      this.#leaderless.delete(stream)
      if (this.#told.delete(stream)) this.#log.info({ changeStream: { stream } }, 'a change stream is led again')
    } else if (!this.#leaderless.has(stream)) {
      this.#leaderless.set(stream, performance.now())
    } else if (this.isLeaderless(stream) && !this.#told.has(stream)) {
      this.#told.add(stream)
      this.#log.warn(
        { changeStream: { stream } },
        'nobody has led a change stream for ten seconds: its copy stands still'
      )
    }
  }
}
