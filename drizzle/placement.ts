import { is, sql } from 'drizzle-orm'
import { getTableConfig, PgTable } from 'drizzle-orm/pg-core'
import { getDialect, type Database } from './index.ts'
import * as postgres from './postgres.ts'

/** The service would not find its tables, or would find others. The message is one line: what is wrong, what to do. */
export class PlacementError extends Error {
  readonly code = 'SQL_SCHEMA'

  constructor (message: string) {
    super(`DATABASE_URL: ${message}`)
    this.name = 'PlacementError'
  }
}

interface Place {
  name: string
  is_here: boolean
  is_found: boolean
  /** Other schemas with a table of this name. */
  elsewhere: string | null
  role: string
}

const names = Object.values(postgres).filter((value) => is(value, PgTable)).map((table) => getTableConfig(table).name)

/**
 * Looks whether the names of the tables lead to those of the schema `public`, where migrations make them. Behind
 * PgBouncer the search_path is that of role or database; every other session sets its own.
 * @param db an autocommit handle on a database that has its migrations
 * @throws PlacementError when tables lie in another schema, or others of the same name come first
 */
export async function assertPlacement (db: Database): Promise<void> {
  if (getDialect(db).name !== 'postgres') return
  const { rows } = await db.execute<Place & Record<string, unknown>>(sql`SELECT t.name, current_user AS role,
      to_regclass('public.' || t.name) IS NOT NULL AS is_here,
      to_regclass(t.name) IS NOT DISTINCT FROM to_regclass('public.' || t.name) AS is_found,
      (SELECT string_agg(DISTINCT n.nspname, ', ') FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
       WHERE c.relname = t.name AND c.relkind IN ('r', 'p') AND n.nspname <> 'public') AS elsewhere
    FROM json_array_elements_text(${JSON.stringify(names)}::json) AS t (name)`)
  for (const { name, is_here, is_found, elsewhere, role } of rows) {
    if (!is_here && elsewhere !== null) {
      throw new PlacementError(
        `the table ${name} is in the schema ${elsewhere}, and the service uses public: move all its tables with ALTER TABLE … SET SCHEMA public, or name the database where they are in public`
      )
    }
    if (is_here && !is_found) {
      throw new PlacementError(
        `the search_path does not lead to public.${name}: ALTER ROLE ${role} SET search_path = public, then start again`
      )
    }
  }
}
