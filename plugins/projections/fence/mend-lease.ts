import type { Sql } from '../sql.ts'

const TIMES = {
  postgres: { now: 'clock_timestamp()', soon: "clock_timestamp() + interval '30 seconds'" },
  sqlite: {
    now: "strftime('%Y-%m-%dT%H:%M:%fZ', 'now')",
    soon: "strftime('%Y-%m-%dT%H:%M:%fZ', 'now', '+30 seconds')"
  }
}

/**
 * Takes or renews the right to repair the copies, for half a minute.
 * @param name of the process
 * @returns the round that is wanted; undefined where none is, or another process is at it
 */
export async function takeMend (tx: Sql, engine: keyof typeof TIMES, name: string): Promise<number | undefined> {
  const { now, soon } = TIMES[engine]
  const { rows } = await tx.query(
    `UPDATE fence SET mender = $1, mender_until = ${soon}
     WHERE mend_wanted > mend_done AND (mender = $1 OR mender_until IS NULL OR mender_until < ${now}) RETURNING mend_wanted`,
    [name]
  )
  return (rows[0] as { mend_wanted: number } | undefined)?.mend_wanted
}

/** Notes that a round is done; one that was asked for meanwhile is still wanted. */
export async function endMend (tx: Sql, round: number): Promise<void> {
  await tx.query('UPDATE fence SET mend_done = $1, mender = NULL, mender_until = NULL WHERE mend_done < $1', [round])
}
