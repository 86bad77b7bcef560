import type { Sql } from '../sql.ts'
import { copiedTable } from './copied-table.ts'
import type { SqlState } from './judge.ts'

type Engine = 'postgres' | 'sqlite'
interface Row {
  pair: string | null
  epoch: string | number
  counter: string | number
  confirmed: string | number
  mends: number | null
  user: string | number
  event: string | number
  replica?: boolean
}

const MARK =
  'f.pair, f.epoch, f.counter, f.confirmed, f.mend_wanted - f.mend_done AS mends FROM (SELECT 1 AS one) AS one LEFT JOIN fence AS f ON f.id = one.one'
// One that was set and not used since, as by a migration, has given out all below.
const sequence = (name: string) => `(SELECT CASE WHEN is_called THEN last_value ELSE last_value - 1 END FROM ${name})`
const counted = (table: string) => `(SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = '${table}')`
const READ = {
  postgres: `SELECT ${copiedTable === undefined ? '0' : sequence(`${copiedTable.table}_id_seq`)} AS "user", ${
    sequence('outbox_id_seq')
  } AS event, pg_is_in_recovery() AS replica, ${MARK}`,
  sqlite: `SELECT ${copiedTable === undefined ? '0' : counted(copiedTable.table)} AS "user", ${
    counted('outbox')
  } AS event, ${MARK}`
}

/**
 * What the SQL database says of itself.
 * @returns undefined on a replica, which is behind by nature
 * @throws the driver's error, also where the tables are not there yet
 */
export async function readState (sql: Sql, engine: Engine): Promise<SqlState | undefined> {
  const row = (await sql.query(READ[engine])).rows[0] as Row
  if (row.replica ?? false) return undefined
  const mark = row.pair === null ? undefined : {
    pair: row.pair,
    epoch: Number(row.epoch),
    counter: Number(row.counter),
    confirmed: Number(row.confirmed)
  }
  return { mark, user: Number(row.user), event: Number(row.event), mends: row.mends ?? 0 }
}

/** Makes this transaction the only one that changes the fence, also where there is no row yet. */
export async function lockFence (tx: Sql, engine: Engine): Promise<void> {
  if (engine === 'postgres') await tx.query('LOCK TABLE fence IN SHARE ROW EXCLUSIVE MODE')
}

/** Stores the pair's first mark; nothing happens where there is one. */
export async function insertMark (tx: Sql, pair: string): Promise<void> {
  await tx.query('INSERT INTO fence (id, pair) VALUES (1, $1) ON CONFLICT (id) DO NOTHING', [pair])
}

/** Begins a new epoch in SQL, and asks for the copies to be compared. */
export async function setMark (
  tx: Sql,
  { pair, epoch, counter }: { pair: string; epoch: number; counter: number }
): Promise<void> {
  await tx.query(
    `INSERT INTO fence (id, pair, epoch, counter, confirmed, mend_wanted) VALUES (1, $1, $2, $3, $3, 1)
     ON CONFLICT (id) DO UPDATE SET pair = excluded.pair, epoch = excluded.epoch, counter = excluded.counter,
       confirmed = excluded.confirmed, mend_wanted = fence.mend_wanted + 1`,
    [pair, epoch, counter]
  )
}

/** The next count, in a transaction of its own: MongoDB follows once it is committed. */
export async function count (sql: Sql): Promise<{ pair: string; epoch: number; counter: number } | undefined> {
  const { rows } = await sql.query('UPDATE fence SET counter = counter + 1 RETURNING pair, epoch, counter')
  const row = rows[0] as Pick<Row, 'pair' | 'epoch' | 'counter'> | undefined
  return row && { pair: String(row.pair), epoch: Number(row.epoch), counter: Number(row.counter) }
}

/** Notes that MongoDB has a count. */
export async function confirm (sql: Sql, { epoch, counter }: { epoch: number; counter: number }): Promise<void> {
  await sql.query('UPDATE fence SET confirmed = $1 WHERE epoch = $2 AND confirmed < $1', [counter, epoch])
}

/**
 * Makes ids and versions go on behind what MongoDB has seen, so that none comes again. Nobody inserts rows meanwhile.
 * @param highest the highest id of a user, and of an event
 */
export async function lift (tx: Sql, engine: Engine, highest: { user: number; event: number }): Promise<void> {
  const copied = copiedTable === undefined ? [] : [[copiedTable.table, highest.user] as const]
  const marks = [...copied, ['outbox', highest.event] as const]
  if (engine === 'postgres') {
    await tx.query(`LOCK TABLE ${marks.map(([table]) => table).join(', ')} IN SHARE ROW EXCLUSIVE MODE`)
    for (const [table, value] of marks) {
      const name = `${table}_id_seq`
      await tx.query(
        `SELECT setval('${name}', $1::bigint) FROM ${name} WHERE last_value <= $1::bigint AND $1::bigint > 0`,
        [
          value
        ]
      )
    }
    return
  }
  for (const [table, value] of marks) {
    const { rows } = await tx.query('UPDATE sqlite_sequence SET seq = max(seq, $2) WHERE name = $1 RETURNING name', [
      table,
      value
    ])
    if (rows.length === 0) await tx.query('INSERT INTO sqlite_sequence (name, seq) VALUES ($1, $2)', [table, value])
  }
}

/** The migration that makes the table has not run yet. */
export function isMissing (error: unknown): boolean {
  if (!(error instanceof Error)) return false
  return ('code' in error && error.code === '42P01') || /no such table/.test(error.message)
}
