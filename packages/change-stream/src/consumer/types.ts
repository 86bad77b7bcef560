import type { ClusterTime } from '../time.ts'
import type { Log, StreamOptions, StreamStore } from '../types.ts'

/** What a consumer needs. Times are milliseconds. */
export interface ConsumerOptions {
  name: string
  stream: StreamOptions
  store: StreamStore
  batchSize: number
  /** Longest wait of the server for a change, in milliseconds. */
  awaitTime: number
  applyTimeout: number
  saveInterval: number
  log: Log
  /** Told the time up to which everything is applied, after the commit. */
  onMoved: (time: ClusterTime) => void
  /** True while somebody waits for the stored position. */
  isAwaited: () => boolean
}

/** What a consumer has done since it started, and how it fares. */
export interface ConsumerStats {
  stream: string
  state: 'waiting to lead' | 'copying' | 'following' | 'backing off' | 'stopped'
  applied: number
  copies: number
  /** Cluster time up to which everything is applied, as far as this process knows. */
  position: ClusterTime | undefined
  /** Milliseconds the SQL side is behind, at most; undefined while another process leads. */
  lagMs: number | undefined
  /** Code or name of the error it backs off from. */
  error: string | undefined
}
