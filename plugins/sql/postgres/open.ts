import fastifyPostgres from '@fastify/postgres'
import { drizzle } from 'drizzle-orm/node-postgres'
import type { FastifyInstance } from 'fastify'
import pg, { type ClientConfig, type PoolConfig } from 'pg'
import { isOfPooler, parseHosts } from '../../../drizzle/hosts/parse.ts'
import type { Database } from '../../../drizzle/index.ts'
import * as schema from '../../../drizzle/postgres.ts'
import { clientClass } from './client.ts'
import { createEcho } from '../echo.ts'
import { Pool } from './pool.ts'
import type { PoolRules } from './rules.ts'

// A server that does not even accept a connection is not worth the whole pool timeout.
const CONNECT_TIMEOUT_MS = 5000
// The server ends a slow statement by itself; the client gives up a little later, when the server has gone silent.
const SILENCE_MS = 1000
const NEEDS_POOLER = 'DATABASE_URL leads to PgBouncer, or a pooler like it: add pgbouncer=true to its options'
const WRITABLE = new Set(['any', 'read-write', 'primary'])

/**
 * Registers `@fastify/postgres` with a pool that follows `DATABASE_POOL_*`; `app.pg` closes it. Nothing is connected
 * before the first statement.
 *
 * @param url `postgres://…`; `?pgbouncer=true` sends no startup parameters and no named statements
 * @returns the autocommit handle
 */
export async function openPostgres (app: FastifyInstance, url: string): Promise<Database> {
  const { config } = app
  const rules: PoolRules = {
    size: config.DATABASE_POOL_SIZE,
    maxWaiting: config.DATABASE_POOL_MAX_WAITING,
    prePing: config.DATABASE_PRE_PING,
    queryTimeout: config.DATABASE_STATEMENT_TIMEOUT_MS + SILENCE_MS,
    onRefused: (error) => {
      const isPooler = error.message.includes('unsupported startup parameter')
      app.log.error({ reason: error.message }, isPooler ? NEEDS_POOLER : 'no connection to PostgreSQL can be had')
    }
  }
  const pgbouncer = isOfPooler(url)
  await app.register(fastifyPostgres, {
    pg: {
      ...pg,
      Pool: class extends Pool {
        constructor (options: PoolConfig) {
          super(options, rules)
        }
      }
    },
    Client: clientClass(clientConfig(app, url, pgbouncer), {
      dropNames: pgbouncer,
      echo: createEcho(app),
      onError: (error) => {
        app.log.warn({ reason: error.message }, 'a database connection was lost')
      }
    }),
    max: config.DATABASE_POOL_SIZE + config.DATABASE_MAX_OVERFLOW,
    connectionTimeoutMillis: config.DATABASE_POOL_TIMEOUT_MS,
    maxLifetimeSeconds: config.DATABASE_POOL_RECYCLE_S,
    // Idle connections stay; the overflow is closed when it comes back.
    idleTimeoutMillis: 0
  })
  const { pool } = app.pg
  tellOfStandbys(app, url)
  // The client has reported it; without a listener here an idle session that is killed ends the process.
  pool.on('error', () => {})
  return drizzle(pool, { schema })
}

/** As in libpq any of several hosts will do; a service that writes seldom means that. */
function tellOfStandbys ({ log }: FastifyInstance, url: string): void {
  const { hosts, target } = parseHosts(url)
  if (hosts.length > 1 && target === 'any') {
    log.warn(
      'DATABASE_URL names several hosts, and the first that answers is taken, also a standby: add target_session_attrs=read-write'
    )
  } else if (!WRITABLE.has(target)) {
    log.warn(`DATABASE_URL asks for target_session_attrs=${target}: writes are answered with 503 on such a server`)
  }
}

function clientConfig ({ config }: FastifyInstance, url: string, pgbouncer: boolean): ClientConfig {
  return {
    connectionString: url,
    fallback_application_name: 'tandem',
    connectionTimeoutMillis: Math.min(CONNECT_TIMEOUT_MS, config.DATABASE_POOL_TIMEOUT_MS / 2),
    keepAlive: true,
    keepAliveInitialDelayMillis: 10_000,
    ...(pgbouncer
      ? {}
      : { statement_timeout: config.DATABASE_STATEMENT_TIMEOUT_MS, lock_timeout: config.DATABASE_LOCK_TIMEOUT_MS })
  }
}
