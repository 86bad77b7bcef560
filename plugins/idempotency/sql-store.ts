import type { FastifyInstance } from 'fastify'
import type { KeyStore, StoredAnswer } from './store.ts'

interface Row { is_free: boolean | number, fingerprint: string | null, status: number, headers: StoredAnswer['headers'] | string, body: string }

/** Rows deleted at a time, so that no lock is held for long. */
const SWEEP = 5000

/**
 * Keys in the table `idempotency_keys`. On PostgreSQL a key is held by an advisory lock of the request's transaction, so that
 * a second request with it is told so instead of waiting; SQLite has one writer at a time anyway.
 */
export function sqlKeyStore (isSqlite: boolean): KeyStore {
  const free = isSqlite ? '1' : "pg_try_advisory_xact_lock(hashtextextended($1 || ' ' || $2, 0))"
  const claimSql = `SELECT ${free} AS is_free, k.fingerprint, k.status, k.headers, k.body
    FROM (SELECT 1 AS one) AS request LEFT JOIN idempotency_keys AS k ON k.key = $1 AND k.route = $2 AND k.expires_at > $3`
  return {
    async claim ({ transaction }, { key, route }) {
      const { rows } = await transaction.query<Row & Record<string, unknown>>(claimSql, [key, route, new Date().toISOString()])
      const [row] = rows
      if (row === undefined || row.fingerprint === null) return row?.is_free ? 'new' : 'running'
      const { fingerprint, status, headers, body } = row
      return { fingerprint, answer: { status, headers: typeof headers === 'string' ? JSON.parse(headers) as StoredAnswer['headers'] : headers, body } }
    },

    async save ({ transaction }, { key, route, fingerprint }, { status, headers, body }, expiresAt) {
      const { rowCount } = await transaction.query(
        `INSERT INTO idempotency_keys (key, route, fingerprint, status, headers, body, expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7)
         ON CONFLICT (key, route) DO UPDATE SET fingerprint = excluded.fingerprint, status = excluded.status, headers = excluded.headers,
           body = excluded.body, expires_at = excluded.expires_at WHERE idempotency_keys.expires_at <= $8`,
        [key, route, fingerprint, status, JSON.stringify(headers), body, expiresAt.toISOString(), new Date().toISOString()])
      return rowCount === 1
    }
  }
}

/** Deletes keys whose time is over; resolves to their number. */
export async function sweepKeys (app: FastifyInstance): Promise<number> {
  for (let swept = 0; ;) {
    const { rowCount } = await app.transaction((tx) => tx.query(
      `DELETE FROM idempotency_keys WHERE (key, route) IN (SELECT key, route FROM idempotency_keys WHERE expires_at <= $1 LIMIT ${SWEEP})`,
      [new Date().toISOString()]), { name: 'idempotency sweep' })
    swept += rowCount ?? 0
    if ((rowCount ?? 0) < SWEEP) return swept
  }
}
