import type { Sample } from './load.ts'
import type { Spread } from './statistics.ts'

/** The samples of one peer on one route, a sample per round. */
export interface Measured {
  peer: string
  route: string
  samples: Sample[]
}

/** How a run was made. */
export interface Conditions {
  rounds: number
  seconds: number
  connections: number
  skipped: Record<string, string>
  load: number[][]
}
interface Row {
  route: string
  peer: string
  requestsPerSecond: Spread
  cpu: Spread
  /** Processor time of the database servers per request of the peer, microseconds. */
  postgresCpu: Spread
  mongodCpu: Spread
  p50: Spread
  p99: Spread
  errors: number
  /** Throughput of the service as a multiple of this peer's. */
  serviceOver: Spread
  /** Processor time per request of the service as a multiple of this peer's. */
  serviceCpuOver: Spread
}

/** What a run has found. */
export interface Result extends Conditions {
  version: 1
  node: string
  rows: Row[]
}
