import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import type { Document } from 'mongodb'
import { Consumer } from './consumer/consumer.ts'
import type { ConsumerStats } from './consumer/types.ts'
import { copyCollection } from './consumer/copy.ts'
import { ChangeStreamError } from './errors.ts'
import { Gauges } from './stores/gauges.ts'
import { isClusterTime, type ClusterTime } from './time.ts'
import type { CopyReport, StreamOptions, StreamStore } from './types.ts'
import { takePluginOptions, takeStreamOptions } from './options.ts'
import { checkStore, refuseStream, refuseTwo } from './usage.ts'
import { Waiters } from './consumer/waiters.ts'

export type { ConsumerStats } from './consumer/types.ts'
export { ChangeStreamError } from './errors.ts'
export { postgresStore, type PostgresOptions } from './stores/postgres.ts'
export { changeStreamSql } from './stores/schema.ts'
export { sqliteStore, type RunTransaction } from './stores/sqlite.ts'
export { clusterTime, isClusterTime, type ClusterTime } from './time.ts'
export type { CopyReport, CopySource, Sql, StreamGauge, StreamOptions, StreamStore } from './types.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /** MongoDB's changes carried into SQL, each exactly once. */
    changeStream: ChangeStreams
  }
}

export interface ChangeStreamOptions {
  /** `postgresStore(pool)` or `sqliteStore(transaction)`. */
  store: StreamStore
  /** False: follow no stream here, leave it to other processes. Default true. */
  follow?: boolean
  /** Changes per batch and transaction. Default 200. */
  batchSize?: number
  /** Milliseconds the server waits for a change before it says that there is none. Default 500. */
  awaitTime?: number
  /** Milliseconds after which the database ends the transaction of a consumer that went silent. Default 15000. */
  applyTimeout?: number
  /** Milliseconds between writes of the position while nothing happens in the collection. Default 1000. */
  saveInterval?: number
  /** Milliseconds between looks at who leads and how far the copies are; 0: never. Default 5000. */
  measureInterval?: number
  /** Milliseconds a running batch may take to finish on close. Default 5000. */
  stopTimeout?: number
}

/** What this process does for a stream, and whether anybody follows it. */
export type StreamStats = ConsumerStats & {
  /** True while nobody has followed the stream for ten seconds. */
  isLeaderless: boolean
  /** Since when the process that follows it, whichever that is, does so; undefined where none does, or with SQLite. */
  ledSince: Date | undefined
  /** When this process last looked at who leads, and how far others are; undefined until it has. */
  measuredAt: Date | undefined
}

export interface ChangeStreams {
  /**
   * Names a stream and what to do with its changes; before the app is ready.
   * @throws ChangeStreamError `CHANGE_STREAM_USAGE` when it is too late, the name is taken, or an option is wrong
   */
  follow: <Doc extends Document>(stream: string, options: StreamOptions<Doc>) => void
  /**
   * Waits up to `ms` milliseconds until everything up to a cluster time is in SQL, by whichever process. Never throws.
   */
  reached: (stream: string, time: ClusterTime, ms: number) => Promise<boolean>
  /** The streams that carry changes of these collections; none while MongoDB is away. */
  findStreams: (collections: string[]) => string[]
  /** Copies the collection anew, also beside a running consumer, and resolves to what was repaired. */
  resync: (stream: string) => Promise<CopyReport>
  /** Progress per stream, from memory; what another process does is measured every `measureInterval`. */
  stats: () => StreamStats[]
}

const DEFAULTS = {
  follow: true,
  batchSize: 200,
  awaitTime: 500,
  applyTimeout: 15_000,
  saveInterval: 1000,
  measureInterval: 5000,
  stopTimeout: 5000
}
type Settings = typeof DEFAULTS & { store: StreamStore }
interface Followed {
  options: StreamOptions
  consumer: Consumer
  waiters: Waiters
}

export default fp<ChangeStreamOptions>(async function changeStream (app, options) {
  const settings = { ...DEFAULTS, ...takePluginOptions(options) }
  checkStore(settings)
  refuseTwo(app)
  const streams = new Map<string, Followed>()
  const gauges = new Gauges(settings.store, app.log, () => settings.follow && streams.size > 0)
  let isReady = false
  app.decorate('changeStream', {
    follow: (name, streamOptions) => {
      refuseStream(name, isReady, streams.has(name))
      streams.set(
        name,
        createFollowed(app, settings, name, takeStreamOptions(name, streamOptions as unknown as StreamOptions))
      )
    },
    reached: async (name, time, ms) => {
      const { waiters } = getStream(streams, name)
      return isClusterTime(time) && await waiters.wait(time, ms)
    },
    findStreams: (collections) => findStreams(streams, collections),
    resync: async (name) => (await copyCollection(settings.store, name, getStream(streams, name).options)).report,
    stats: () => [...streams].map(([name, { consumer }]) => addGauges(name, consumer.stats, gauges))
  })
  app.addHook('onReady', async () => {
    isReady = true
    if (settings.follow) { for (const { consumer } of streams.values()) consumer.start() }
    if (settings.measureInterval > 0) gauges.start(settings.measureInterval, () => [...streams.keys()])
  })
  app.addHook('onClose', async () => {
    gauges.stop()
    await Promise.all([...streams.values()].map(({ consumer }) => consumer.stop(settings.stopTimeout)))
  })
}, { name: 'fastify-change-stream', fastify: '5.x' })

function findStreams (streams: Map<string, Followed>, collections: string[]): string[] {
  return [...streams].filter(([, { options }]) => collections.includes(getCollectionName(options) ?? ''))
    .map(([name]) => name)
}

/** Who follows knows the lag best; what another process did since is in the table. */
function addGauges (name: string, stats: ConsumerStats, gauges: Gauges): StreamStats {
  const lagMs = stats.state === 'following' ? stats.lagMs : gauges.getLag(name) ?? stats.lagMs
  const isLeaderless = gauges.isLeaderless(name)
  return { ...stats, lagMs, isLeaderless, ledSince: gauges.getLedSince(name), measuredAt: gauges.measuredAt }
}

function getStream (streams: Map<string, Followed>, name: string): Followed {
  const stream = streams.get(name)
  if (stream === undefined) {
    throw new ChangeStreamError(
      'CHANGE_STREAM_USAGE',
      `there is no stream '${name}'; known are: ${[...streams.keys()].join(', ') || 'none'}`
    )
  }
  return stream
}

function getCollectionName ({ collection }: StreamOptions): string | undefined {
  try {
    return collection().collectionName
  } catch {
    return undefined // the client is not connected
  }
}

function createFollowed (app: FastifyInstance, settings: Settings, name: string, stream: StreamOptions): Followed {
  const { store } = settings
  const waiters = new Waiters(async () => (await store.read(name))?.through)
  const consumer = new Consumer({
    ...settings,
    name,
    stream,
    log: app.log,
    onMoved: (time) => {
      waiters.tell(time)
    },
    isAwaited: () => waiters.isAwaited
  })
  return { options: stream, consumer, waiters }
}
