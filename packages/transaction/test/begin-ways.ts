import type pg from 'pg'
import type { TransactionPluginOptions } from '../src/index.ts'

/** A way to begin on a kind of pool. */
interface Way {
  /** For the names of tests. */
  way: string
  pool: pg.PoolConfig
  plugin: (pool: pg.Pool) => TransactionPluginOptions
}

/** Both ways to begin, on both kinds of pools. */
export const WAYS: Way[] = [{}, { pipeline: true }].flatMap((pool) =>
  [true, false].map((pipelineBegin) => ({
    way: JSON.stringify({ pipelineBegin, ...pool }),
    pool,
    plugin: (given: pg.Pool) => ({ pool: given, pipelineBegin })
  }))
)
