import type { Pool } from 'pg'

/** Options of transactions in both stores, `crossStore: 'two-phase'`. */
export interface TwoPhaseOptions {
  /**
   * Names the pair that both stores are, as this process knows it: 1 to 64 letters, digits, `_`, `.` or `-`; undefined
   * while they are none, or that is not known. Asked at each commit. Default: a mark that the plugin keeps in both
   * stores, which tells another or an empty MongoDB but not a restored one.
   */
  pair?: () => string | undefined
  /** Has the stores compared, so that `pair` is right; called before anything is settled. Default: nothing. */
  compare?: () => Promise<unknown>
  /** Connections for recovery, so that it never waits behind requests. Default: the plugin's pool. */
  pool?: Pool
  /** Table of the rows that show which PostgreSQL halves have committed. Default `two_phase_commits`. */
  table?: string
  /** Collection of the decisions. Default `two_phase_decisions`. */
  collection?: string
}

export const defaultTable = 'two_phase_commits'
export const defaultCollection = 'two_phase_decisions'

/** Makes the table that `table` names. */
export function tableSql (table = defaultTable): string {
  return `CREATE TABLE ${table} (gid text PRIMARY KEY, at timestamptz NOT NULL DEFAULT clock_timestamp(), confirmed_at timestamptz)`
}
