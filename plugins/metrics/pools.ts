import type { FastifyInstance } from 'fastify'
import { Gauge, type Registry } from 'prom-client'

/** One pool: connections in use and idle, requests that wait for one, and the most there may be. */
export interface PoolCounts {
  name: string
  used: number
  idle: number
  waiting: number
  max: number
}

const POOL = 'db_client_connection_pool_name'

/** Measures the connection pools of both stores, at the moment they are asked for. */
export function measurePools (app: FastifyInstance, registry: Registry): void {
  const gauge = (name: string, help: string, value: (pool: PoolCounts) => number): void => {
    new Gauge({
      name,
      help,
      labelNames: [POOL],
      registers: [registry],
      collect () {
        for (const pool of getPools(app)) this.set({ [POOL]: pool.name }, value(pool))
      }
    })
  }
  new Gauge({
    name: 'db_client_connections',
    help: 'Connections of a pool that are idle or used',
    labelNames: [POOL, 'db_client_connection_state'],
    registers: [registry],
    collect () {
      for (const { name, used, idle } of getPools(app)) {
        this.set({ [POOL]: name, db_client_connection_state: 'used' }, used)
        this.set({ [POOL]: name, db_client_connection_state: 'idle' }, idle)
      }
    }
  })
  gauge('db_client_connection_max', 'Connections a pool may have', ({ max }) => max)
  gauge('db_client_connection_pending_requests', 'Requests that wait for a connection', ({ waiting }) => waiting)
}

/** The pools of both stores as they are now. */
export function getPools (app: FastifyInstance): PoolCounts[] {
  return [...sqlPools(app), ...mongoPools(app)]
}

function sqlPools (app: FastifyInstance): PoolCounts[] {
  const { sqlite, config } = app
  if (sqlite !== undefined) {
    const { writes, reads } = sqlite.counts
    const toCounts = (name: string, { open, idle, waiting }: typeof writes, max: number) => ({
      name,
      used: open - idle,
      idle,
      waiting,
      max
    })
    // In memory there is one connection, which counts for both.
    const isShared = config.DATABASE_URL === ':memory:'
    return isShared
      ? [toCounts('sqlite', writes, 1)]
      : [toCounts('sqlite writer', writes, 1), toCounts('sqlite readers', reads, config.DATABASE_POOL_SIZE)]
  }
  if (!app.hasDecorator('pg')) return []
  const { pool } = app.pg
  return [{
    name: 'postgresql',
    used: pool.totalCount - pool.idleCount,
    idle: pool.idleCount,
    waiting: pool.waitingCount,
    max: pool.options.max
  }]
}

function mongoPools ({ mongoPool }: FastifyInstance): PoolCounts[] {
  return mongoPool === undefined ? [] : [{ name: 'mongodb', ...mongoPool.counts }]
}
