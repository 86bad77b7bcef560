import { and, asc, eq, inArray, sql, type Placeholder, type SQL, type Subquery, type WithSubquery } from 'drizzle-orm'
import type { PgColumn, PgTable } from 'drizzle-orm/pg-core'
import type { TObject } from '@sinclair/typebox'
import type { Database, Dialect } from '../../../drizzle/index.ts'
import { getFields, objectToJson } from './object.ts'

/** What is listed in each item of a list, such as the lines of an order. */
export interface Part {
  /** The field of the item. */
  name: string
  /** What one of the listed looks like to a client; it has no list of its own. */
  schema: TObject
  /** The columns of one table, by the names of the schema. */
  columns: Record<string, PgColumn>
  /** The column of that table that holds the `id` of the item. */
  parent: PgColumn
  order: SQL[]
  /** How many are listed of an item at most. Default: all. */
  limit?: number
  /** How many rows the statement may read for a page. */
  rows: Placeholder
}

/** Names that no field has. */
const TEXT = 'part_text'
const PLACE = 'part_place'
const ITEM = 'part_item'

/**
 * The rows of a page with what is listed in them: one row for each, one for an item without any. Only as many as
 * `part.rows` are read, in the order of the page, so that a page of long items costs no more than one of short ones.
 */
export function withParts (db: Database, dialect: Dialect, page: WithSubquery, part: Part, order: SQL[]): Subquery {
  const id = getFields(page)['id'] as PgColumn
  const parts = dialect.name === 'postgres' ? ofOne(db, dialect, part, id) : ofAll(db, dialect, page, part, id)
  const { [TEXT]: text, [PLACE]: place } = getFields(parts) as Record<typeof TEXT | typeof PLACE, SQL.Aliased>
  const lines = db.select({ ...getFields(page), [TEXT]: text, [PLACE]: place }).from(page).$dynamic()
  const joined = dialect.name === 'postgres'
    ? lines.leftJoinLateral(parts, sql`true`)
    : lines.leftJoin(parts, isPart(parts, part, id))
  return joined.orderBy(...order, asc(place)).limit(part.rows).as('lines')
}

/** The JSON text of a list out of the rows of an item; null where one of them has no words. */
export function joinParts (lines: Subquery, dialect: Dialect): SQL {
  const { [TEXT]: text, [PLACE]: place } = getFields(lines)
  const join = sql.raw(dialect.name === 'postgres' ? 'string_agg' : 'group_concat')
  const list = sql`'[' || coalesce(${join}(${text}, ',' order by ${place}), '') || ']'`
  return sql`case when count(${text}) = count(${place}) then ${list} end`
}

// PostgreSQL looks at no more rows of an item than are listed, and at none behind the last row that may be read.
function ofOne (db: Database, dialect: Dialect, part: Part, id: PgColumn): Subquery {
  const place = sql`row_number() over (order by ${sql.join(part.order, sql`, `)})`
  const rows = db.select({ ...toText(part, dialect), [PLACE]: place.as(PLACE) }).from(part.parent.table as PgTable)
    .where(eq(part.parent, id)).orderBy(...part.order).$dynamic()
  return (part.limit === undefined ? rows : rows.limit(part.limit)).as('parts')
}

// SQLite has no lateral joins.
function ofAll (db: Database, dialect: Dialect, page: WithSubquery, part: Part, id: PgColumn): Subquery {
  const place = sql`row_number() over (partition by ${part.parent} order by ${sql.join(part.order, sql`, `)})`
  return db.select({ ...toText(part, dialect), [PLACE]: place.as(PLACE), [ITEM]: sql`${part.parent}`.as(ITEM) })
    .from(part.parent.table as PgTable).where(inArray(part.parent, db.select({ id }).from(page))).as('parts')
}

function toText ({ schema, columns }: Part, dialect: Dialect): Record<string, SQL.Aliased> {
  return { [TEXT]: objectToJson(schema, columns, dialect).as(TEXT) }
}

function isPart (parts: Subquery, { limit }: Part, id: PgColumn): SQL | undefined {
  const { [ITEM]: item, [PLACE]: place } = getFields(parts)
  return and(sql`${item} = ${id}`, limit === undefined ? undefined : sql`${place} <= ${limit}`)
}
