import { sql, type Column } from 'drizzle-orm'
import { customType, integer, text } from 'drizzle-orm/sqlite-core'

/** The id of a row; never used twice. */
export const id = () => integer().primaryKey({ autoIncrement: true })

/** ISO 8601 in UTC with milliseconds: sorts as text, and anybody can read it in the file. */
export const timestampMs = customType<{ data: Date; driverData: string }>({
  dataType: () => 'text',
  toDriver: (date) => date.toISOString(),
  fromDriver: (text) => new Date(text)
})

/** When a row was made. */
export const createdAt = () => timestampMs().notNull().default(sql`(strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))`)

/** Any JSON. */
export const json = <T>() => text({ mode: 'json' }).$type<T>()

/**
 * First part of a decimal in an index that a list goes through, the column is the second: numbers that are not negative
 * and have the same places are ordered as their texts, once those are as long as each other.
 * @public
 */
export const byLength = (column: Column) => sql`length(${column})`

/**
 * A column of an index that lists go through from the newest on.
 * @public
 */
export const newest = (column: Column) => sql`${column} desc`
