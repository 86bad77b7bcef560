import { sql, type ExtractTablesWithRelations, type SQL, type SQLWrapper } from 'drizzle-orm'
import type { BaseSQLiteDatabase } from 'drizzle-orm/sqlite-core'
import type { NodePgQueryResultHKT } from 'drizzle-orm/node-postgres'
import { PgDatabase, type PgTable } from 'drizzle-orm/pg-core'
import * as postgres from './postgres.ts'
import * as sqlite from './sqlite.ts'

/** Tables and relations of PostgreSQL. */
export type Schema = typeof postgres

/** Tables and relations of PostgreSQL, for `drizzle(pool, { schema })`. */
export const schema: Schema = postgres

/** The same for SQLite, for Drizzle on SQLite. */
export const sqliteSchema = sqlite

/** The tables alone. */
export type Tables = { [Name in keyof Schema as Schema[Name] extends PgTable ? Name : never]: Schema[Name] }

/** A Drizzle handle: on the pool, on a transaction or on a savepoint; of PostgreSQL, or of SQLite by `asDatabase`. */
export type Database = PgDatabase<NodePgQueryResultHKT, Schema, ExtractTablesWithRelations<Schema>>

/** A Drizzle handle of SQLite: the parts that both dialects share. */
export type SqliteDatabase = Pick<
  BaseSQLiteDatabase<'async', unknown, typeof sqlite>,
  'select' | 'insert' | 'update' | 'delete' | 'all' | 'run'
>

/** What a query may need besides tables, in the words of its dialect. */
export interface Dialect {
  name: 'postgres' | 'sqlite'
  tables: Tables
  /** The database's clock. */
  now: SQL<Date>
  /** A text without the case of its ASCII letters, as the unique index of e-mails has it. */
  fold: (text: SQLWrapper) => SQL<string>
  /** What a trigger is about to make of `users.version`, for SQLite, whose RETURNING does not see what triggers do. */
  version: SQL<number>
}

type SqliteTables = Pick<typeof sqlite, keyof Tables>
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends (<T>() => T extends B ? 1 : 2) ? true : false
type Agreement = {
  [K in keyof Tables]: Same<Tables[K]['$inferSelect'], SqliteTables[K]['$inferSelect']> extends true
    ? Tables[K]['$inferInsert'] extends SqliteTables[K]['$inferInsert'] ? true : false
    : false
}
/**
 * The tables whose rows differ between the dialects, or that SQLite would not take from code written for PostgreSQL:
 * none.
 */
export type Disagreement = { [K in keyof Tables]: Agreement[K] extends true ? never : K }[keyof Tables]

// What lets SQLite pass for PostgreSQL: as soon as a table differs, the argument becomes a type nothing fits.
function alike<T> (handle: [Disagreement] extends [never] ? object : Disagreement): T {
  return handle as T
}

/**
 * A handle of SQLite under the type that repositories take. Only the parts of Drizzle that both dialects share may be
 * used on it: select, insert, update, delete, sub-queries, `returning`.
 * @param handle a Drizzle handle over `drizzle/sqlite.ts`
 * @returns the same handle
 */
export function asDatabase (handle: SqliteDatabase): Database {
  return alike<Database>(handle)
}

const POSTGRES: Dialect = {
  name: 'postgres',
  tables: postgres,
  now: sql<Date>`now()`,
  fold: (text) => sql<string>`lower(${text} collate "C")`,
  version: sql<number>`0`
}
const SQLITE: Dialect = {
  name: 'sqlite',
  tables: alike<Tables>(sqlite),
  fold: (text) => sql<string>`lower(${text})`,
  now: sql<Date>`strftime('%Y-%m-%dT%H:%M:%fZ', 'now')`,
  version: sql<number>`(select coalesce(max(seq), 0) + 1 from sqlite_sequence where name = 'outbox')`
}

/**
 * The dialect a handle speaks.
 * @param db any Drizzle handle
 * @returns its tables and words
 */
export function getDialect (db: Database): Dialect {
  return db instanceof PgDatabase ? POSTGRES : SQLITE
}
