import { setTimeout as sleep } from 'node:timers/promises'
import type { ChangeStream, ChangeStreamDocument, Document } from 'mongodb'
import { copyCollection, getCollection } from './copy.ts'
import type { ConsumerOptions, ConsumerStats } from './types.ts'
import { fenced, getAdvice, getName, isFenced, isHistoryLost } from '../errors.ts'
import { before, quietUntil, getClusterTime, getWallTime, type ClusterTime } from '../time.ts'
import type { Position } from '../types.ts'

type Change = ChangeStreamDocument
const firstCopy = 'no position was stored' // how every stream begins; a later copy means that history was lost
const FIRST_BACK_OFF = 50
const LONGEST_BACK_OFF = 5000
/**
 * Milliseconds after which even an unmoved position is written, so that other processes see that the stream is
 * followed.
 */
const TOUCH_EVERY = 5000

/** Follows one stream: waits to lead, copies if it must, then carries batch after batch into SQL. */
export class Consumer {
  readonly #options: ConsumerOptions
  readonly #stop = new AbortController()
  #loop: Promise<void> | undefined
  #state: ConsumerStats['state'] = 'stopped'
  #applied = 0
  #copies = 0
  #position: ClusterTime | undefined
  #setbacks = 0
  #advice: string | undefined
  #error: string | undefined
  /** When the SQL side was last known to be equal to MongoDB, as `Date.now()`. */
  #currentAt = 0
  #savedAt = 0

  constructor (options: ConsumerOptions) {
    this.#options = options
  }

  get stats (): ConsumerStats {
    const knows = this.#currentAt > 0 && this.#state !== 'waiting to lead' && this.#state !== 'stopped'
    return {
      stream: this.#options.name,
      state: this.#state,
      applied: this.#applied,
      copies: this.#copies,
      position: this.#position,
      lagMs: knows ? Math.max(0, Date.now() - this.#currentAt) : undefined,
      error: this.#error
    }
  }

  start (): void {
    this.#loop ??= this.#run()
  }

  /** Finishes the running batch, but waits no longer than `grace` milliseconds. */
  async stop (grace: number): Promise<void> {
    this.#stop.abort()
    const late = new AbortController()
    await Promise.race([this.#loop, sleep(grace, undefined, { signal: late.signal }).catch(ignore)])
    late.abort()
    this.#state = 'stopped'
  }

  async #run (): Promise<void> {
    const { signal } = this.#stop
    while (!signal.aborted) {
      try {
        await this.#lead()
      } catch (error) {
        if (!signal.aborted) await sleep(this.#backOff(error), undefined, { signal }).catch(ignore)
      }
    }
  }

  async #lead (): Promise<void> {
    const { store, name } = this.#options
    if (this.#setbacks === 0) this.#state = 'waiting to lead'
    const leadership = await store.lead(name, this.#stop.signal)
    try {
      const position = await store.read(name) ?? await this.#copy(firstCopy)
      await this.#follow(position, AbortSignal.any([this.#stop.signal, leadership.lost]))
    } finally {
      await leadership.resign()
    }
  }

  async #follow (from: Position, signal: AbortSignal): Promise<void> {
    let position = from
    let copies = 0
    while (!signal.aborted) {
      const stream = this.#watch(position)
      const close = () => {
        stream.close().catch(ignore)
      }
      signal.addEventListener('abort', close, { once: true })
      try {
        position = await this.#consume(stream, position, signal)
        copies = 0
      } catch (error) {
        if (signal.aborted) return
        if (!isHistoryLost(error) || copies++ > 0) throw error // a stream that fails right after a copy is not helped by another
        position = await this.#copy(getName(error))
      } finally {
        signal.removeEventListener('abort', close)
        close()
      }
    }
  }

  #watch ({ token }: Position): ChangeStream<Document, Change> {
    const { stream, batchSize, awaitTime } = this.#options
    const { pipeline = [], fullDocument = 'updateLookup' } = stream
    return getCollection(stream).watch<Document, Change>(pipeline, {
      fullDocument,
      startAfter: token,
      batchSize,
      maxAwaitTimeMS: awaitTime,
      readConcern: { level: 'majority' }
    })
  }

  /** Carries changes over until the stream ends; resolves to where the next one starts. */
  async #consume (stream: ChangeStream<Document, Change>, from: Position, signal: AbortSignal): Promise<Position> {
    let position = from
    while (!signal.aborted) {
      const changes = await this.#gather(stream)
      if (changes.length === 0) {
        position = await this.#keepYoung(position, {
          token: stream.resumeToken,
          through: quietUntil(stream.resumeToken)
        })
      } else position = await this.#carry(changes, position)
      this.#recover()
      if (changes.at(-1)?.operationType === 'invalidate') break // the collection was dropped or renamed; a new stream goes on after that
    }
    return position
  }

  /** One reply of the server's, so that the changes of one transaction stay together. */
  async #gather (stream: ChangeStream<Document, Change>): Promise<Change[]> {
    const changes: Change[] = []
    do {
      const change = await stream.tryNext()
      if (change === null) break
      changes.push(change)
    } while (stream.bufferedCount() > 0)
    return changes
  }

  async #carry (changes: Change[], from: Position): Promise<Position> {
    const isFull = changes.length >= this.#options.batchSize // the rest of the last transaction may follow
    try {
      return await this.#applyBatch(changes, from, !isFull)
    } catch (error) {
      if (changes.length === 1 || isFenced(error)) throw error
    }
    // One change may be to blame: those before it still get through, and it is known which one it is.
    let position = from
    for (const change of changes) position = await this.#applyBatch([change], position, false)
    return position
  }

  async #applyBatch (changes: Change[], from: Position, isComplete: boolean): Promise<Position> {
    const { name, store, stream, applyTimeout } = this.#options
    const last = changes[changes.length - 1] as Change
    const time = getClusterTime(last)
    const to = { token: last._id, through: time === undefined || isComplete ? time : before(time) }
    await store.transaction(applyTimeout, async (tx) => {
      if (!await store.move(tx, name, from, to, new Date(getWallTime(last)))) throw fenced(name)
      const effective = changes.filter(({ operationType }) => operationType !== 'invalidate')
      if (effective.length > 0) await stream.apply(tx, effective)
    })
    this.#applied += changes.length
    this.#savedAt = Date.now()
    this.#currentAt = getWallTime(last)
    this.#moved(to)
    return to
  }

  /** Nothing came: the position still goes on, otherwise a quiet collection's history would end before it. */
  async #keepYoung (position: Position, next: Position): Promise<Position> {
    this.#currentAt = Date.now()
    if (next.token === null || next.token === undefined) return position
    this.#moved(next)
    const age = Date.now() - this.#savedAt
    const isNew = JSON.stringify(next) !== JSON.stringify(position)
    const { store, name, applyTimeout, saveInterval, isAwaited } = this.#options
    const interval = isAwaited() ? 0 : saveInterval
    if (age < (isNew ? interval : TOUCH_EVERY)) return position
    await store.transaction(applyTimeout, async (tx) => {
      if (!await store.move(tx, name, position, next, new Date(this.#currentAt))) throw fenced(name)
    })
    this.#savedAt = Date.now()
    return next
  }

  async #copy (reason: string): Promise<Position> {
    const { name, store, stream, log } = this.#options
    this.#state = 'copying'
    const { position, report } = await copyCollection(store, name, stream)
    this.#copies++
    log[reason === firstCopy ? 'info' : 'warn'](
      { changeStream: { stream: name, reason, ...report } },
      'the collection of a change stream was copied anew'
    )
    this.#moved(position)
    return position
  }

  #moved ({ through }: Position): void {
    if (through === undefined) return
    this.#position = through
    this.#options.onMoved(through)
  }

  #backOff (error: unknown): number {
    this.#tell(error)
    this.#setbacks++
    this.#state = 'backing off'
    this.#error = getName(error)
    const most = Math.min(FIRST_BACK_OFF * 2 ** Math.min(this.#setbacks, 10), LONGEST_BACK_OFF)
    return most / 2 + Math.random() * most / 2
  }

  /** Once for each row of setbacks, and where something must be done about it once more. */
  #tell (error: unknown): void {
    const { log, name } = this.#options
    const advice = getAdvice(error)
    const context = { changeStream: { stream: name, error: getName(error) } }
    if (advice !== undefined && advice !== this.#advice) log.error(context, advice)
    else if (this.#setbacks === 0) log.warn(context, 'a change stream is interrupted and will go on by itself')
    this.#advice = advice
  }

  #recover (): void {
    if (this.#setbacks > 0) {
      this.#options.log.info({ changeStream: { stream: this.#options.name } }, 'a change stream goes on')
    }
    this.#setbacks = 0
    this.#advice = undefined
    this.#state = 'following'
    this.#error = undefined
  }
}

function ignore (): void {}
