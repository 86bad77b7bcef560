import { sql, type SQLWrapper } from 'drizzle-orm'
import { bigint, numeric, timestamp, type ExtraConfigColumn } from 'drizzle-orm/pg-core'
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
export const timestampMs = () => timestamp({ withTimezone: true, precision: 3 })

/** When a row was made. */
export const createdAt = () => timestampMs().notNull().defaultNow()

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
