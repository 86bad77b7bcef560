import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Pool } from 'pg'
import type { Leadership } from '../types.ts'

/**
 * Milliseconds a lease lasts, so the longest time until a leader that was killed or frozen is replaced, beside one try.
 */
const LEASE = 4000
const RENEW_EVERY = 1000
const TRY_EVERY = 500

/**
 * Waits for the lease of a stream: a row with an expiry, renewed each second. It needs no session of its own, so it
 * works through a pooler that hands out connections per transaction. Two leaders at once cannot harm, because the
 * position is compared in each transaction; the lease only saves their quarrel.
 */
export async function leadByLease (
  pool: Pool,
  table: string,
  stream: string,
  signal: AbortSignal
): Promise<Leadership> {
  const name = randomUUID()
  await pool.query(`INSERT INTO ${table} (stream) VALUES ($1) ON CONFLICT (stream) DO NOTHING`, [stream])
  while (!await take(pool, table, stream, name)) await sleep(TRY_EVERY, undefined, { signal })
  const lost = new AbortController()
  let isOver = false
  let until = performance.now() + LEASE
  const renew = async () => {
    const asked = performance.now()
    const { rows } = await pool.query<{ leader: string | null }>(`SELECT leader FROM ${table} WHERE stream = $1`, [
      stream
    ])
    if (rows[0]?.leader !== name) return lost.abort()
    // The row may be held by a batch of this very leader; nobody else takes it meanwhile.
    await take(pool, table, stream, name)
    until = asked + LEASE
  }
  const timer = setInterval(() => {
    if (performance.now() > until) lost.abort()
    renew().catch(() => {})
  }, RENEW_EVERY).unref()
  return {
    lost: lost.signal,
    resign: async () => {
      if (isOver) return
      isOver = true
      clearInterval(timer)
      await pool.query(`UPDATE ${table} SET leader = NULL, leader_until = NULL WHERE stream = $1 AND leader = $2`, [
        stream,
        name
      ]).catch(() => {})
    }
  }
}

/** A row that is locked belongs to a leader at work. */
async function take (pool: Pool, table: string, stream: string, name: string): Promise<boolean> {
  const { rowCount } = await pool.query(
    `UPDATE ${table} SET leader = $2, leader_until = clock_timestamp() + interval '${LEASE} milliseconds',
       leader_since = CASE WHEN leader = $2 THEN leader_since ELSE clock_timestamp() END
     WHERE stream = (SELECT stream FROM ${table}
       WHERE stream = $1 AND (leader IS NULL OR leader = $2 OR leader_until IS NULL OR leader_until < clock_timestamp())
       FOR UPDATE SKIP LOCKED)`,
    [stream, name]
  )
  return rowCount === 1
}
