import type { FastifyInstance } from 'fastify'
import type { Transaction } from '../transaction/index.ts'
import type { KeyStore, StoredAnswer } from './store.ts'

interface Row { fingerprint: string, status: number, headers: StoredAnswer['headers'] | string, body: string }

/** Rows deleted at a time, so that no lock is held for long. */
const SWEEP = 5000

/**
 * Keys in the table `idempotency_keys`. On PostgreSQL a key is held by an advisory lock of the request's transaction, so that
 * a second request with it is told so instead of waiting; SQLite has one writer at a time anyway.
 */
export function sqlKeyStore (isSqlite: boolean): KeyStore {
  return {
    async claim ({ transaction }, { key, route }) {
      // Looked up after the lock and not with it: a statement sees what was stored when it began, and another request may commit its answer while this one locks.
      const isFree = isSqlite || await takesLock(transaction, key, route)
      const { rows: [row] } = await transaction.query<Row & Record<string, unknown>>(
        'SELECT fingerprint, status, headers, body FROM idempotency_keys WHERE key = $1 AND route = $2 AND expires_at > $3',
        [key, route, new Date().toISOString()])
      if (row === undefined) return isFree ? 'new' : 'running'
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

/** True when this transaction holds the key now; false when another one does. */
async function takesLock (transaction: Transaction, key: string, route: string): Promise<boolean> {
  const { rows } = await transaction.query<{ is_free: boolean }>("SELECT pg_try_advisory_xact_lock(hashtextextended($1 || ' ' || $2, 0)) AS is_free", [key, route])
  return rows[0]?.is_free === true
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
