import type { FastifyInstance } from 'fastify'
import type { Transaction } from 'fastify-transaction'
import type { KeyedRequest } from './request.ts'
import type { KeyStore, KnownKey, StoredAnswer } from './store.ts'

interface Row {
  fingerprint: string
  status: number | null
  headers: StoredAnswer['headers'] | string
  body: string
}

/** Rows deleted at a time, so that no lock is held for long. */
const SWEEP = 5000
/** How long a reply waits at most while the answer to work that is already committed is written. */
const COMPLETE_WITHIN_MS = 3000
/** Among the stored headers, says how the body is stored. No header has a colon in its name. */
const ENCODING = ':encoding'
const SET_ANSWER = `UPDATE idempotency_keys SET status = $4, headers = $5, body = $6
  WHERE key = $1 AND route = $2 AND fingerprint = $3 AND status IS NULL`

/**
 * Keys in the table `idempotency_keys`. On PostgreSQL a key is held by an advisory lock of the request's transaction,
 * so that a second request with it gets its answer at once instead of waiting; SQLite has one writer at a time anyway.
 */
export function sqlKeyStore (app: FastifyInstance): KeyStore {
  return {
    async claim ({ transaction }, keyed, expiresAt) {
      const now = new Date().toISOString()
      const isFree = app.sqlite !== undefined || await takesLock(transaction, keyed)
      if (isFree && await insert(transaction, keyed, expiresAt.toISOString(), now)) return 'new'
      return await find(transaction, keyed, now) ?? 'running'
    },

    async save ({ transaction }, keyed, answer) {
      const { rowCount } = await transaction.query(SET_ANSWER, parameters(keyed, answer))
      if (rowCount !== 1) {
        throw new Error(`the handler of ${keyed.route} has changed or removed its own row of idempotency_keys`)
      }
    },

    async complete (keyed, answer) {
      await app.transaction((tx) => tx.query(SET_ANSWER, parameters(keyed, answer)), {
        name: 'idempotency answer',
        deadline: COMPLETE_WITHIN_MS
      })
    }
  }
}

/** True when this transaction holds the key now; false when another one does. */
async function takesLock (transaction: Transaction, { key, route }: KeyedRequest): Promise<boolean> {
  const { rows } = await transaction.query<{ is_free: boolean }>(
    "SELECT pg_try_advisory_xact_lock(hashtextextended($1 || ' ' || $2, 0)) AS is_free",
    [key, route]
  )
  return rows[0]?.is_free === true
}

/** Writes the key without an answer, also over one whose time is over; false when it is there. */
async function insert (
  transaction: Transaction,
  { key, route, fingerprint }: KeyedRequest,
  expiresAt: string,
  now: string
): Promise<boolean> {
  const { rowCount } = await transaction.query(
    `INSERT INTO idempotency_keys (key, route, fingerprint, expires_at) VALUES ($1, $2, $3, $4)
     ON CONFLICT (key, route) DO UPDATE
       SET fingerprint = excluded.fingerprint, status = NULL, headers = NULL, body = NULL, expires_at = excluded.expires_at
       WHERE idempotency_keys.expires_at <= $5`,
    [key, route, fingerprint, expiresAt, now]
  )
  return rowCount === 1
}

// Not in one statement with the lock: that would see what was stored when it began, and another request may commit
// while it locks.
async function find (
  transaction: Transaction,
  { key, route }: KeyedRequest,
  now: string
): Promise<KnownKey | undefined> {
  const { rows: [row] } = await transaction.query<Row & Record<string, unknown>>(
    'SELECT fingerprint, status, headers, body FROM idempotency_keys WHERE key = $1 AND route = $2 AND expires_at > $3',
    [key, route, now]
  )
  return row && { fingerprint: row.fingerprint, answer: getAnswer(row) }
}

function getAnswer ({ status, headers: stored, body }: Row): StoredAnswer | undefined {
  if (status === null) return undefined
  const { [ENCODING]: encoding, ...headers } = typeof stored === 'string'
    ? JSON.parse(stored) as StoredAnswer['headers']
    : stored
  return { status, headers, body: encoding === 'base64' ? Buffer.from(body, 'base64') : body }
}

function parameters ({ key, route, fingerprint }: KeyedRequest, { status, headers, body }: StoredAnswer): unknown[] {
  const isText = typeof body === 'string'
  const stored = isText ? headers : { ...headers, [ENCODING]: 'base64' }
  return [key, route, fingerprint, status, JSON.stringify(stored), isText ? body : body.toString('base64')]
}

/** Deletes keys whose time is over; resolves to their number. */
export async function deleteExpiredKeys (app: FastifyInstance): Promise<number> {
  for (let swept = 0;;) {
    const { rowCount } = await app.transaction((tx) =>
      tx.query(
        `DELETE FROM idempotency_keys WHERE (key, route) IN (SELECT key, route FROM idempotency_keys WHERE expires_at <= $1 LIMIT ${SWEEP})`,
        [new Date().toISOString()]
      ), { name: 'idempotency sweep' })
    swept += rowCount ?? 0
    if ((rowCount ?? 0) < SWEEP) return swept
  }
}
