import { takeStoreOptions } from '../options.ts'
import { explainErrors } from './explain.ts'
import { checkTable, checkTransaction } from './schema.ts'
import { dateOfPosition, decode, encode } from './position.ts'
import type { Sql, StreamGauge, StreamStore } from '../types.ts'

/** Runs one function in a write transaction of its own; statements use `?1`, `?2`… for values. */
export type RunTransaction = <Result>(fn: (tx: Sql) => Promise<Result>) => Promise<Result>

const NOW = "strftime('%Y-%m-%dT%H:%M:%fZ', 'now')"

/**
 * Positions and effects in SQLite, for a database that one process has open: that process leads.
 * @param transaction runs a function in a transaction
 * @param options `table`: name of the table of positions, default `change_streams`
 */
export function sqliteStore (
  transaction: RunTransaction,
  options: { table?: string } = {}
): StreamStore {
  checkTransaction(transaction)
  const { table = 'change_streams' } = takeStoreOptions('sqliteStore', options)
  checkTable(table)
  const store: StreamStore = {
    lead: async () => ({ lost: new AbortController().signal, resign: async () => {} }),
    transaction: (_timeout, fn) => transaction(fn),
    read: async (stream) => {
      const rows = await transaction(async (tx) =>
        (await tx.query(`SELECT token FROM ${table} WHERE stream = ?1`, [stream])).rows
      )
      return decode((rows[0] as { token: string | null } | undefined)?.token)
    },
    move: async (tx, stream, from, to, current) => {
      const { rows } = await tx.query(
        `UPDATE ${table} SET token = ?2, cluster_time = coalesce(?3, cluster_time), updated_at = ?5 WHERE stream = ?1 AND token IS ?4 RETURNING stream`,
        [stream, encode(to), dateOfPosition(to)?.toISOString() ?? null, encode(from), current.toISOString()]
      )
      return rows.length === 1
    },
    lock: async (tx, stream) => {
      await tx.query(`INSERT INTO ${table} (stream) VALUES (?1) ON CONFLICT (stream) DO NOTHING`, [stream])
    },
    set: async (tx, stream, to) => {
      await tx.query(
        `UPDATE ${table} SET token = ?2, cluster_time = ?3, updated_at = ${NOW}, resyncs = resyncs + 1 WHERE stream = ?1`,
        [stream, encode(to), dateOfPosition(to)?.toISOString() ?? null]
      )
    },
    // The one process that has the file leads.
    measure: async () => {
      const { rows } = await transaction((tx) => tx.query(`SELECT stream, updated_at FROM ${table}`, []))
      return (rows as Position[]).map(toGauge)
    }
  }
  return explainErrors(store, table, 'sqlite')
}

interface Position {
  stream: string
  updated_at: string
}

function toGauge ({ stream, updated_at }: Position): StreamGauge {
  return { stream, isLed: true, ledSince: undefined, currentMs: Math.max(0, Date.now() - Date.parse(updated_at)) }
}
