import type { ClientBase } from 'pg'
import type { Applied } from './journal.ts'

/** Runs a statement without parameters. */
export type RunQuery = (text: string) => Promise<Array<Record<string, unknown>>>

/** Runs statements on a connection. */
export function runOn (client: ClientBase): RunQuery {
  return async (text) => (await client.query<Record<string, unknown>>(text)).rows
}

/**
 * The migrations that a PostgreSQL database has, the oldest first; none where it was never migrated.
 * @param run runs a statement on the database
 */
export async function readApplied (run: RunQuery): Promise<Applied[]> {
  const [found] = await run("SELECT to_regclass('drizzle.__drizzle_migrations') IS NOT NULL AS is_there")
  if (found?.['is_there'] !== true) return []
  return (await run('SELECT hash, created_at FROM drizzle.__drizzle_migrations ORDER BY created_at')).map(toApplied)
}

/** A row of the table in which a database notes its migrations. */
export function toApplied ({ hash, created_at }: Record<string, unknown>): Applied {
  return { hash: String(hash), when: Number(created_at) }
}
