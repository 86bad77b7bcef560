import type { FastifyInstance } from 'fastify'
import type pg from 'pg'
import { connectBound } from '../../../drizzle/hosts/client.ts'
import { SessionClient } from './session-settings.ts'

const CONNECT_TIMEOUT_MS = 5000

export interface BackgroundPoolOptions {
  /** Of its sessions in `pg_stat_activity`. */
  name: string
  max: number
  /** Milliseconds after which a server that does not answer counts as gone; longer than any statement takes. */
  silenceMs: number
}

/** How a pool is opened for work beside requests, which neither takes connections from them nor waits behind them. */
export function toPoolConfig ({ config }: FastifyInstance, { name, max, silenceMs }: BackgroundPoolOptions) {
  const { DATABASE_URL: url } = config
  return {
    connectionString: url,
    Client: SessionClient,
    fallback_application_name: name,
    keepAlive: true,
    query_timeout: silenceMs,
    connectionTimeoutMillis: url === undefined ? CONNECT_TIMEOUT_MS : connectBound(url, CONNECT_TIMEOUT_MS),
    idleTimeoutMillis: 30_000,
    maxLifetimeSeconds: config.DATABASE_POOL_RECYCLE_S,
    max
  }
}

/**
 * Closes pools with the app, and logs connections that are lost while they are idle.
 * @param whose work they are for, in the log
 */
export function closeWithApp (app: FastifyInstance, whose: string, pools: pg.Pool[]): void {
  for (const pool of pools) {
    pool.on('error', (error) => {
      app.log.warn({ reason: error.message }, `a connection of ${whose} was lost`)
    })
  }
  app.addHook('onClose', async function closeBackgroundPools () {
    await Promise.all(pools.map((pool) => pool.end()))
  })
}
