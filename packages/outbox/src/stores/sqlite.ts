import { backlogSql } from './backlog.ts'
import { explainErrors } from './explain.ts'
import { checkTransaction, takeTable } from './schema.ts'
import { Turns } from './turns.ts'
import type {
  Claim,
  OutboxEvent,
  OutboxStore,
  OutboxTransaction,
  ParkedEvent,
  Settlement,
  TopicGauge
} from '../types.ts'

interface Row {
  id: number | bigint
  topic: string
  key: string
  payload: string
  attempts: number
  created_at: string
  parked_at: string | null
  last_error: string | null
}

/** Runs one function in a write transaction of its own; statements use `?1`, `?2`… for values. */
export type RunTransaction = <Result>(fn: (tx: OutboxTransaction) => Promise<Result>) => Promise<Result>

const NOW = "strftime('%Y-%m-%dT%H:%M:%fZ', 'now')"

/**
 * The outbox in SQLite, for a database that one process has open.
 * No lock is held while events are applied: SQLite has one writer, and a relay that dies simply finds its rows again.
 * @param transaction runs a function in a transaction
 * @param options `table`: its name, default `outbox`
 */
export function sqliteStore (transaction: RunTransaction, options: { table?: string } = {}): OutboxStore {
  checkTransaction(transaction)
  const table = takeTable('sqliteStore', options)
  return explainErrors(createStore(transaction, table), table, 'sqlite')
}

function createStore (transaction: RunTransaction, table: string): OutboxStore {
  const turns = new Turns()
  const backlog = backlogSql('sqlite', table)
  const all = (text: string, values: unknown[]) =>
    transaction(async (tx) => (await tx.query(text, values)).rows as Row[])
  return {
    insert: async (tx, event) => {
      const values = [event.topic, event.key, JSON.stringify(event.payload)]
      const text = `INSERT INTO ${table} (topic, key, payload) VALUES (?1, ?2, ?3) RETURNING id`
      const { rows } = await tx.query(text, values)
      return String((rows[0] as Row).id)
    },
    work: (claim, settle) => work(transaction, table, { turns, claim }, settle),
    pending: async (ids) =>
      new Set(
        (await all(`SELECT id FROM ${table} WHERE id IN (SELECT value FROM json_each(?1))`, [numbers(ids)])).map((
          { id }
        ) => String(id))
      ),
    measure: async () => await transaction(async (tx) => (await tx.query(backlog, [])).rows as TopicGauge[]),
    parked: async (limit = 1000) =>
      (await all(`SELECT * FROM ${table} WHERE parked_at IS NOT NULL ORDER BY id LIMIT ?1`, [limit])).map(getParked),
    replay: async (ids) =>
      getIds(
        await all(
          `UPDATE ${table} SET parked_at = NULL, attempts = 0, available_at = ${NOW}, last_error = NULL WHERE parked_at IS NOT NULL AND (?1 IS NULL OR id IN (SELECT value FROM json_each(?1))) RETURNING id`,
          [ids === 'all' ? null : numbers(ids)]
        )
      ),
    discard: async (ids) =>
      getIds(
        await all(
          `DELETE FROM ${table} WHERE parked_at IS NOT NULL AND id IN (SELECT value FROM json_each(?1)) RETURNING id`,
          [numbers(ids)]
        )
      )
  }
}

async function work (
  transaction: RunTransaction,
  table: string,
  { turns, claim }: { turns: Turns; claim: Claim },
  settle: (events: OutboxEvent[]) => Promise<Settlement>
): Promise<number> {
  const rows = await transaction((tx) =>
    claim.ordered
      ? turns.take(claim, (after) => claimHeads(tx, table, claim, after))
      : claimRows(tx, table, claim)
  )
  if (rows.length === 0) return 0
  const { done, failed } = await settle(rows.map(toEvent))
  await transaction(async (tx) => {
    if (done.length > 0) {
      await tx.query(`DELETE FROM ${table} WHERE id IN (SELECT value FROM json_each(?1))`, [numbers(done)])
    }
    for (const { id, message, park } of failed) {
      await tx.query(
        `UPDATE ${table} SET last_error = ?2, parked_at = CASE WHEN ?3 THEN ${NOW} END, attempts = attempts + 1,
           available_at = strftime('%Y-%m-%dT%H:%M:%fZ', 'now', min(1 << min(attempts, 9), 300) || ' seconds') WHERE id = ?1`,
        [Number(id), message, park ? 1 : 0]
      )
    }
  })
  return rows.length
}

const READY = `topic = ?1 AND parked_at IS NULL AND available_at <= ${NOW}`

async function claimRows (
  tx: OutboxTransaction,
  table: string,
  { topic, limit, bothEnds = false }: Claim
): Promise<Row[]> {
  const read = async (count: number, order: string, after: number) =>
    (await tx.query(`SELECT * FROM ${table} WHERE ${READY} AND id > ?3 ORDER BY id ${order} LIMIT ?2`, [
      topic,
      count,
      after
    ])).rows as Row[]
  const oldest = await read(bothEnds ? Math.ceil(limit / 2) : limit, '', 0)
  const last = oldest.at(-1)
  if (!bothEnds || last === undefined || oldest.length < Math.ceil(limit / 2)) return oldest
  return [...oldest, ...(await read(Math.floor(limit / 2), 'DESC', Number(last.id))).reverse()]
}

/**
 * The oldest event of each key behind a key. One step in an index for each key, however many events wait behind its
 * oldest.
 */
async function claimHeads (
  tx: OutboxTransaction,
  table: string,
  { topic, limit }: Claim,
  after: string
): Promise<Row[]> {
  const next = (key: string) =>
    `(SELECT key FROM ${table} WHERE topic = ?1 AND parked_at IS NULL AND key > ${key} ORDER BY key LIMIT 1)`
  const text = `WITH RECURSIVE heads (key) AS (
      SELECT ${next('?3')} UNION ALL SELECT ${next('heads.key')} FROM heads WHERE heads.key IS NOT NULL
    )
    SELECT o.* FROM heads CROSS JOIN ${table} AS o
    ON o.id = (SELECT id FROM ${table} WHERE topic = ?1 AND key = heads.key AND parked_at IS NULL ORDER BY id LIMIT 1)
    WHERE heads.key IS NOT NULL AND o.available_at <= ${NOW} LIMIT ?2`
  return (await tx.query(text, [topic, limit, after])).rows as Row[]
}

function numbers (ids: string[]): string {
  return JSON.stringify(ids.map(Number))
}

function getIds (rows: Row[]): string[] {
  return rows.map(({ id }) => String(id))
}

function toEvent (row: Row): OutboxEvent {
  const { topic, key, attempts } = row
  return {
    id: String(row.id),
    topic,
    key,
    payload: JSON.parse(row.payload),
    attempts,
    createdAt: new Date(row.created_at)
  }
}

function getParked (row: Row): ParkedEvent {
  return { ...toEvent(row), parkedAt: new Date(row.parked_at ?? 0), lastError: row.last_error ?? '' }
}
