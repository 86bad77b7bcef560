import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import { enqueue } from './enqueue.ts'
import { OutboxError, getAdvice } from './errors.ts'
import { takePluginOptions, takeTopicOptions } from './options.ts'
import { Gauges, type Measured } from './relay/gauges.ts'
import { Relay, type RelayStats } from './relay/relay.ts'
import { isTransient } from './relay/transient.ts'
import type { Apply, NewEvent, OutboxStore, OutboxTransaction } from './types.ts'
import { Waiters } from './relay/waiters.ts'
import { checkStore, refuseHandler, refuseTwo } from './usage.ts'

export { OutboxError } from './errors.ts'
export { projectToMongo, replaceIfNewer, type Projected, type ProjectionOptions } from './project-to-mongo.ts'
export { postgresStore } from './stores/postgres.ts'
export type { RelayStats } from './relay/relay.ts'
export { outboxSql } from './stores/schema.ts'
export { sqliteStore, type RunTransaction } from './stores/sqlite.ts'
export { isTransient } from './relay/transient.ts'
export type {
  Apply,
  Failure,
  NewEvent,
  OutboxEvent,
  OutboxStore,
  OutboxTransaction,
  ParkedEvent,
  TopicGauge
} from './types.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /** The transactional outbox: write events in a request's transaction, have them applied afterwards. */
    outbox: Outbox
  }
}

/** Options of one topic; each defaults to the plugin's option of the same name. */
export interface TopicOptions {
  /** Apply the events of one key strictly one after the other. For commands; state needs no order. Default false. */
  ordered?: boolean
  /**
   * Serve a backlog from both ends: half of each batch are the newest events, so that what changes now is not behind
   * what changed long ago. For events that hold a state and a version; not together with `ordered`. Default false.
   */
  bothEnds?: boolean
  /** Events per batch. Default 100. */
  batchSize?: number
  /** Failed tries after which an event is parked. Default 8, which takes about two minutes. */
  maxAttempts?: number
  /** Milliseconds one batch may take. Default 15000. */
  applyTimeout?: number
  /** Whether the target itself shows an event of a key, or a newer one; for `Outbox.shows`. Default: not known. */
  shows?: (key: string, id: string) => Promise<boolean>
}

export interface OutboxOptions extends Omit<TopicOptions, 'shows'> {
  /** `postgresStore(pool)` or `sqliteStore(transaction)`. */
  store: OutboxStore
  /** False: only write events here, let other processes apply them. Default true. */
  relay?: boolean
  /** Milliseconds between looks at the table, for events that other processes wrote. Default 1000. */
  pollInterval?: number
  /** Milliseconds between measurements of the backlog; 0: never. Default 5000. */
  measureInterval?: number
  /** Milliseconds a running batch may take to finish on close. Default 5000. */
  stopTimeout?: number
  /**
   * True for errors that mean the target is away, which count for no event. Default knows network, MongoDB and
   * PostgreSQL.
   */
  isTransient?: (error: unknown) => boolean
}

/** A topic's backlog together with what this process has done for it. */
export type TopicStats = RelayStats & Measured

export interface Outbox {
  readonly store: OutboxStore
  /**
   * Names the handler of a topic; before the app is ready. The type of its payloads is taken on trust.
   * @throws OutboxError `OUTBOX_USAGE` when it is too late, the topic has a handler, or an option is wrong
   */
  on: <Payload = unknown>(topic: string, apply: Apply<Payload>, options?: TopicOptions) => void
  /**
   * Writes an event in an open transaction; resolves to its id.
   * @throws OutboxError `OUTBOX_NO_TRANSACTION` outside a transaction, `OUTBOX_USAGE` for an event without topic, key
   * or JSON payload
   */
  enqueue: (tx: OutboxTransaction, event: NewEvent) => Promise<string>
  /**
   * Call after a commit: the relay of this process looks at once, instead of at its next poll. `enqueue` does it where
   * it can.
   */
  wake: (topic?: string) => void
  /**
   * Waits up to `ms` milliseconds until an event is applied, by whichever process; false when it is not. Never throws.
   */
  applied: (id: string, ms: number) => Promise<boolean>
  /**
   * Whether the target of a topic shows an event; undefined where its handler cannot say, false for an unknown topic.
   */
  shows: (topic: string, key: string, id: string) => Promise<boolean | undefined>
  /** Topic and key of an event that this process has enqueued lately. */
  find: (id: string) => Pick<NewEvent, 'topic' | 'key'> | undefined
  /** Backlog and progress per topic, from memory; the backlog is measured every `measureInterval`. */
  stats: () => TopicStats[]
}

const TOPIC_DEFAULTS = { ordered: false, bothEnds: false, batchSize: 100, maxAttempts: 8, applyTimeout: 15_000 }
const DEFAULTS = {
  ...TOPIC_DEFAULTS,
  relay: true,
  pollInterval: 1000,
  measureInterval: 5000,
  stopTimeout: 5000,
  isTransient
}
type Settings = typeof DEFAULTS & { store: OutboxStore }
/** Topic and key of events that this process has enqueued lately, by id. */
type Enqueued = Map<string, Pick<NewEvent, 'topic' | 'key'>>

export default fp<OutboxOptions>(async function outbox (app, options) {
  const settings = { ...DEFAULTS, ...takePluginOptions(options) }
  checkStore(settings)
  refuseTwo(app)
  const relays = new Map<string, Relay>()
  const shows = new Map<string, TopicOptions['shows']>()
  const enqueued: Enqueued = new Map()
  const waiters = new Waiters(settings.store.pending)
  const gauges = new Gauges(settings.store, tellOnce(app, () => settings.relay && relays.size > 0))
  let isReady = false
  app.decorate('outbox', {
    store: settings.store,
    on: (topic, apply, topicOptions) => {
      refuseHandler(topic, apply, isReady, relays.has(topic))
      shows.set(topic, topicOptions?.shows)
      relays.set(topic, createRelay(app, settings, waiters, topic, apply as Apply, topicOptions))
    },
    enqueue: (tx, event) => {
      const inserted = enqueue(settings.store, tx, event, () => relays.get(event.topic)?.wake())
      return follow(tx, inserted.then((id) => remember(enqueued, id, event)))
    },
    wake: (topic) => {
      for (const relay of topic === undefined ? relays.values() : [relays.get(topic)]) relay?.wake()
    },
    applied: (id, ms) => waiters.wait(id, ms),
    shows: async (topic, key, id) => relays.has(topic) ? await shows.get(topic)?.(key, id) : false,
    find: (id) => enqueued.get(id),
    stats: () => [...relays.values()].map((relay) => ({ ...relay.stats, ...gauges.of(relay.stats.topic) }))
  })
  app.addHook('onReady', async () => {
    isReady = true
    if (settings.relay) { for (const relay of relays.values()) relay.start() }
    if (settings.measureInterval > 0) gauges.start(settings.measureInterval)
  })
  app.addHook('onClose', async () => {
    gauges.stop()
    await Promise.all([...relays.values()].map((relay) => relay.stop(settings.stopTimeout)))
  })
}, { name: 'fastify-outbox', fastify: '5.x' })

/** The relays tell what is wrong with the table; where there are none, the look at the backlog does. */
function tellOnce ({ log }: FastifyInstance, isToldByRelays: () => boolean): (error: unknown) => void {
  let told: string | undefined
  return (error) => {
    const advice = getAdvice(error)
    if (advice === undefined || advice === told || isToldByRelays()) return
    told = advice
    log.error({ outbox: {} }, advice)
  }
}

const REMEMBERED = 1000

function remember (enqueued: Enqueued, id: string, { topic, key }: NewEvent): string {
  enqueued.set(id, { topic, key })
  const [oldest] = enqueued.keys()
  if (enqueued.size > REMEMBERED && oldest !== undefined) enqueued.delete(oldest)
  return id
}

/**
 * What nobody awaits must not end the process; where the transaction can follow it, its failure is the transaction's.
 */
function follow (tx: OutboxTransaction, inserted: Promise<string>): Promise<string> {
  inserted.catch(() => {})
  return typeof tx?.follow === 'function' ? tx.follow(inserted) : inserted
}

function createRelay (
  app: FastifyInstance,
  settings: Settings,
  waiters: Waiters,
  topic: string,
  apply: Apply,
  options: TopicOptions = {}
): Relay {
  const { store, pollInterval, isTransient } = settings
  const { ordered, bothEnds, batchSize, maxAttempts, applyTimeout } = {
    ...settings,
    ...takeTopicOptions(topic, options)
  }
  if (ordered && bothEnds) {
    throw new OutboxError(
      'OUTBOX_USAGE',
      `the topic '${topic}' is ordered, so bothEnds cannot be: leave out one of them`
    )
  }
  return new Relay({
    store,
    topic,
    apply,
    ordered,
    bothEnds,
    batchSize,
    maxAttempts,
    applyTimeout,
    pollInterval,
    isTransient,
    log: app.log,
    onApplied: (ids) => {
      waiters.tell(ids)
    }
  })
}
