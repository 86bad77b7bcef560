import type { Pool, PoolClient } from 'pg'
import { backlogSql } from './backlog.ts'
import { explainErrors } from './explain.ts'
import { checkPool, takeTable } from './schema.ts'
import { Turns } from './turns.ts'
import type {
  Claim,
  NewEvent,
  OutboxEvent,
  OutboxStore,
  OutboxTransaction,
  ParkedEvent,
  Settlement,
  StoredFailure,
  TopicGauge
} from '../types.ts'

/** Milliseconds since 1970, which no DateStyle or TimeZone of role or database writes otherwise. */
const toTime = (column: string) => `(extract(epoch FROM ${column}) * 1000)::float8`
const COLUMNS = `o.id::text AS id, o.topic, o.key, o.payload, o.attempts, ${toTime('o.created_at')} AS "createdAt"`

/**
 * The outbox in PostgreSQL.
 * @param pool a pool of its own is best: then the relay never competes with requests for connections. It is never ended
 * here
 * @param options `table`: its name, default `outbox`
 */
export function postgresStore (pool: Pool, options: { table?: string } = {}): OutboxStore {
  checkPool(pool)
  const table = takeTable('postgresStore', options)
  return explainErrors(createStore(pool, table), table, 'postgres')
}

function createStore (pool: Pool, table: string): OutboxStore {
  const turns = new Turns()
  const backlog = backlogSql('postgres', table)
  return {
    insert: (tx, event) => insert(tx, table, event),
    work: (claim, settle) =>
      inTransaction(pool, claim.timeout, async (client) => {
        const rows = claim.ordered
          ? await turns.take(claim, (after) => claimHeads(client, table, claim, after))
          : await claimRows(client, table, claim)
        return await work(client, table, rows, settle)
      }),
    pending: async (ids) =>
      new Set(
        (await pool.query<{ id: string }>(`SELECT id::text AS id FROM ${table} WHERE id = ANY($1::bigint[])`, [ids]))
          .rows.map(({ id }) => id)
      ),
    measure: async () => (await pool.query<TopicGauge>(backlog)).rows,
    parked: async (limit = 1000) =>
      (await pool.query<Read<ParkedEvent>>(
        `SELECT ${COLUMNS}, ${
          toTime('o.parked_at')
        } AS "parkedAt", o.last_error AS "lastError" FROM ${table} AS o WHERE o.parked_at IS NOT NULL ORDER BY o.id LIMIT $1`,
        [limit]
      )).rows.map((row) => ({ ...toEvent(row), parkedAt: new Date(row.parkedAt), lastError: row.lastError })),
    replay: async (ids) =>
      await getIds(
        pool,
        `UPDATE ${table} SET parked_at = NULL, attempts = 0, available_at = now(), last_error = NULL`,
        ids
      ),
    discard: async (ids) => await getIds(pool, `DELETE FROM ${table}`, ids)
  }
}

/** An event as it is read: times are numbers. */
type Read<Event> = { [Name in keyof Event]: Event[Name] extends Date ? number : Event[Name] }

function toEvent ({ id, topic, key, payload, attempts, createdAt }: Read<OutboxEvent>): OutboxEvent {
  return { id, topic, key, payload, attempts, createdAt: new Date(createdAt) }
}

async function insert (tx: OutboxTransaction, table: string, event: NewEvent): Promise<string> {
  const { rows } = await tx.query(
    `INSERT INTO ${table} (topic, key, payload) VALUES ($1, $2, $3) RETURNING id::text AS id`,
    [event.topic, event.key, JSON.stringify(event.payload)]
  )
  return (rows[0] as { id: string }).id
}

async function getIds (pool: Pool, verb: string, ids: string[] | 'all'): Promise<string[]> {
  const { rows } = await pool.query<{ id: string }>(
    `${verb} WHERE parked_at IS NOT NULL AND ($1::bigint[] IS NULL OR id = ANY($1::bigint[])) RETURNING id::text AS id`,
    [ids === 'all' ? null : ids]
  )
  return rows.map(({ id }) => id)
}

async function work (
  client: PoolClient,
  table: string,
  rows: OutboxEvent[],
  settle: (events: OutboxEvent[]) => Promise<Settlement>
): Promise<number> {
  if (rows.length === 0) return 0
  const { done, failed } = await settle(rows)
  if (done.length > 0) await client.query(`DELETE FROM ${table} WHERE id = ANY($1::bigint[])`, [done])
  if (failed.length > 0) await mark(client, table, failed)
  return rows.length
}

async function mark (client: PoolClient, table: string, failed: StoredFailure[]): Promise<void> {
  await client.query(
    `UPDATE ${table} AS o SET attempts = o.attempts + 1, last_error = f.message,
       available_at = clock_timestamp() + least(interval '1 second' * power(2, o.attempts), interval '5 minutes'),
       parked_at = CASE WHEN f.park THEN clock_timestamp() END
     FROM unnest($1::bigint[], $2::text[], $3::boolean[]) AS f (id, message, park) WHERE o.id = f.id`,
    [failed.map(({ id }) => id), failed.map(({ message }) => message), failed.map(({ park }) => park)]
  )
}

const READY = "topic = $1 AND parked_at IS NULL AND available_at <= clock_timestamp() + interval '1 millisecond'"

// The lock on the rows is the lease: it ends with the session of whoever dies holding it.
async function claimRows (
  client: PoolClient,
  table: string,
  { topic, limit, bothEnds = false }: Claim
): Promise<OutboxEvent[]> {
  const read = async (count: number, order: string, after: string) =>
    (await client.query<Read<OutboxEvent>>(
      `SELECT ${COLUMNS} FROM ${table} AS o WHERE ${READY} AND o.id > $3::bigint ORDER BY o.id ${order} LIMIT $2 FOR UPDATE SKIP LOCKED`,
      [topic, count, after]
    )).rows.map(toEvent)
  const oldest = await read(bothEnds ? Math.ceil(limit / 2) : limit, '', '0')
  const last = oldest.at(-1)
  if (!bothEnds || last === undefined || oldest.length < Math.ceil(limit / 2)) return oldest
  return [...oldest, ...(await read(Math.floor(limit / 2), 'DESC', last.id)).reverse()]
}

/**
 * The oldest event of each key behind a key. One step in an index for each key, however many events wait behind its
 * oldest.
 */
async function claimHeads (
  client: PoolClient,
  table: string,
  { topic, limit }: Claim,
  after: string
): Promise<OutboxEvent[]> {
  const next = (key: string) =>
    `SELECT o.key, o.id, o.available_at FROM ${table} AS o WHERE o.topic = $1 AND o.parked_at IS NULL AND o.key > ${key} ORDER BY o.key, o.id LIMIT 1`
  const text = `WITH RECURSIVE heads AS (
      (${next('$3')}) UNION ALL SELECT behind.* FROM heads CROSS JOIN LATERAL (${next('heads.key')}) AS behind
    )
    SELECT ${COLUMNS} FROM ${table} AS o
    WHERE o.id IN (SELECT id FROM heads WHERE available_at <= clock_timestamp() + interval '1 millisecond' LIMIT $2) AND ${READY}
    ORDER BY o.key FOR UPDATE OF o SKIP LOCKED`
  return (await client.query<Read<OutboxEvent>>(text, [topic, limit, after])).rows.map(toEvent)
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
async function inTransaction<Result> (
  pool: Pool,
  timeout: number,
  fn: (client: PoolClient) => Promise<Result>
): Promise<Result> {
  const client = await connection(pool)
  let isUseless = false
  try {
    // A relay that hangs, or whose machine vanished, must not keep its rows for ever.
    await client.query(`BEGIN; SET LOCAL idle_in_transaction_session_timeout = ${Math.ceil(timeout)}`)
    const result = await fn(client)
    const { command } = await client.query('COMMIT')
    if (command !== 'COMMIT') throw new Error('the outbox transaction was rolled back by the server')
    return result
  } catch (error) {
    isUseless = refusesWrites(error) || isSilent(error) || !await rollBack(client)
    throw error
  } finally {
    client.removeListener('error', ignore)
    client.release(isUseless || client.getTransactionStatus() !== 'I')
  }
}

/** Another session may lead to the primary; this one would refuse every event there is. */
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
