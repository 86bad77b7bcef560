import type { Pool, PoolClient } from 'pg'
import { takeStoreOptions } from '../options.ts'
import { explainErrors } from './explain.ts'
import { leadByLease } from './lease.ts'
import { checkPool, checkTable } from './schema.ts'
import { dateOfPosition, decode, encode } from './position.ts'
import type { Sql, StreamGauge, StreamStore } from '../types.ts'

export interface PostgresOptions {
  /** Name of the table of positions. Default `change_streams`. */
  table?: string
}

/**
 * Positions and effects in PostgreSQL.
 * @param pool a pool of its own is best: then streams never compete with requests for connections. It is never ended
 * here
 */
export function postgresStore (
  pool: Pool,
  options: PostgresOptions = {}
): StreamStore {
  checkPool(pool)
  const { table = 'change_streams' } = takeStoreOptions('postgresStore', options)
  checkTable(table)
  const store: StreamStore = {
    lead: (stream, signal) => leadByLease(pool, table, stream, signal),
    transaction: (timeout, fn) => inTransaction(pool, timeout, fn),
    read: async (stream) => {
      const { rows } = await pool.query<{ token: string | null }>(
        `SELECT token::text AS token FROM ${table} WHERE stream = $1`,
        [stream]
      )
      return decode(rows[0]?.token)
    },
    move: async (tx, stream, from, to, current) => {
      const { rowCount } = await tx.query(
        `UPDATE ${table} SET token = $2, cluster_time = coalesce($3, cluster_time), updated_at = $5 WHERE stream = $1 AND token IS NOT DISTINCT FROM $4::jsonb`,
        [stream, encode(to), dateOfPosition(to) ?? null, encode(from), current]
      )
      return rowCount === 1
    },
    lock: async (tx, stream) => {
      await tx.query(`INSERT INTO ${table} (stream) VALUES ($1) ON CONFLICT (stream) DO NOTHING`, [stream])
      await tx.query(`SELECT stream FROM ${table} WHERE stream = $1 FOR UPDATE`, [stream])
    },
    set: async (tx, stream, to) => {
      await tx.query(
        `UPDATE ${table} SET token = $2, cluster_time = $3, updated_at = clock_timestamp(), resyncs = resyncs + 1 WHERE stream = $1`,
        [stream, encode(to), dateOfPosition(to) ?? null]
      )
    },
    measure: () => measure(pool, table)
  }
  return explainErrors(store, table, 'postgres')
}

async function measure (pool: Pool, table: string): Promise<StreamGauge[]> {
  const { rows } = await pool.query<StreamGauge & { ledSince: Date | null }>(
    `SELECT stream, leader IS NOT NULL AND leader_until > clock_timestamp() AS "isLed", leader_since AS "ledSince",
       greatest(extract(epoch FROM clock_timestamp() - updated_at) * 1000, 0)::float8 AS "currentMs" FROM ${table}`
  )
  return rows.map((row) => ({ ...row, ledSince: row.isLed ? row.ledSince ?? undefined : undefined }))
}

/**
 * Takes a connection. A broken one makes the next query fail; its event, unheard, would end the process. Listens before
 * a promise could: pg may report that a session began and that it was killed from one packet.
 */
function connection (pool: Pool): Promise<PoolClient> {
  return new Promise((resolve, reject) => {
    pool.connect((error, client) => {
      client?.on('error', ignore)
      if (client === undefined) reject(error as Error)
      else resolve(client)
    })
  })
}

/** One transaction on one connection: given back clean, or destroyed. */
async function inTransaction<Result> (pool: Pool, timeout: number, fn: (tx: Sql) => Promise<Result>): Promise<Result> {
  const client = await connection(pool)
  let isUseless = false
  try {
    await client.query(
      `BEGIN; SET LOCAL idle_in_transaction_session_timeout = ${timeout}${
        timeout === 0 ? '; SET LOCAL statement_timeout = 0' : ''
      }`
    )
    const result = await fn(client)
    const { command } = await client.query('COMMIT')
    if (command !== 'COMMIT') throw new Error('the transaction of a change stream was rolled back by the server')
    return result
  } catch (error) {
    isUseless = refusesWrites(error) || isSilent(error) || !await rollBack(client)
    throw error
  } finally {
    client.removeListener('error', ignore)
    client.release(isUseless || client.getTransactionStatus() !== 'I')
  }
}

/** Another session may lead to the primary; this one would refuse every change there is. */
function refusesWrites (error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === '25006'
}

/** The statement before it was never answered: ROLLBACK would wait behind it. */
function isSilent (error: unknown): boolean {
  return error instanceof Error && error.message === 'Query read timeout'
}

/** False when it was not answered; what pg knows of the session is then from before. */
function rollBack (client: PoolClient): Promise<boolean> {
  return client.query('ROLLBACK').then(() => true, () => false)
}

function ignore (): void {}
