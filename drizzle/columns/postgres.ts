import { sql, type SQLWrapper } from 'drizzle-orm'
import { bigint, customType, numeric, type ExtraConfigColumn } from 'drizzle-orm/pg-core'
import pg from 'pg'
import { MAX_ID } from '../../schemas/common.ts'

/**
 * The id of a row; the database makes none that JavaScript and JSON could not hold exactly.
 * @public
 */
export const id = () => rowId().primaryKey().generatedAlwaysAsIdentity({ maxValue: MAX_ID })

/**
 * The id of a row of another table.
 * @public
 */
export const rowId = () => bigint({ mode: 'number' })

/** Milliseconds, as JavaScript and MongoDB have them: a cursor made from a row finds that row again. */
export const timestampMs = customType<{ data: Date; driverData: string }>({
  dataType: () => 'timestamp (3) with time zone',
  toDriver: (date) => date.toISOString(),
  fromDriver: readTimestamp
})

/** When a row was made. */
export const createdAt = () => timestampMs().notNull().default(sql`now()`)

/**
 * A column of an index that lists go through from the newest on. The default of an index is nulls last, of ORDER BY …
 * DESC nulls first; only an index that says the same is used for it.
 * @public
 */
export const newest = (column: ExtraConfigColumn) => column.desc().nullsFirst()

/**
 * A text in an index that a list goes through: by its characters, as SQLite and MongoDB compare, whatever the locale.
 * @public
 */
export const byCharacter = (column: SQLWrapper) => sql`${column} collate "C"`

/**
 * An exact sum with two places.
 * @public
 */
export const money = () => numeric({ precision: 18, scale: 2 })

const parseTimestamp = pg.types.getTypeParser(pg.types.builtins.TIMESTAMPTZ) as (text: string) => Date | number | null

/**
 * An instant as PostgreSQL writes it, also in JSON, where relational queries have it. The years 1 to 99 would be of the
 * twentieth century for `new Date()`, and what is before the first, or in a time zone whose offset had seconds, no date.
 */
function readTimestamp (text: unknown): Date {
  // Drizzle asks for the elements of arrays too, which may be null.
  if (typeof text !== 'string') return text as Date
  const isCommon = text[4] === '-' && !text.startsWith('00') && text.endsWith('+00')
  return new Date(isCommon ? text : parseTimestamp(text.replace('T', ' ')) ?? NaN)
}
