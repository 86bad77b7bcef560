import { and, asc, eq, inArray, sql, type Placeholder, type SQL, type Subquery, type WithSubquery } from 'drizzle-orm'
import type { PgColumn, PgTable } from 'drizzle-orm/pg-core'
import type { TObject } from '@sinclair/typebox'
import type { Database, Dialect } from '../../../drizzle/index.ts'
import { getFields, objectToJson, type JsonObject } from './object.ts'

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

/** What is listed in the items of a page, a row for each item. */
export interface Lists {
  source: Subquery
  /** Joins the row with its item. */
  on: SQL
  /** The columns of a row: how many rows were read of the item, how many are listed, and a JSON array for each value. */
  columns: SQL.Aliased[]
  json: JsonObject
}

/** Names that no field has. */
const ELEMENT = 'part_element'
const PLACE = 'part_place'
const ITEM = 'part_item'

/**
 * What is listed in the items of a page. Only `part.rows` rows are read, in the order of the page; items behind the last
 * one are missing.
 */
export function toLists (db: Database, dialect: Dialect, page: WithSubquery, part: Part, order: SQL[]): Lists {
  const id = getFields(page)['id'] as PgColumn
  const json = objectToJson(part.schema, part.columns, dialect)
  const elements = json.values.map(({ element }, at) => element.as(`${ELEMENT}_${at + 1}`))
  const names = elements.map(({ fieldAlias }) => fieldAlias)
  const selected = Object.fromEntries(elements.map((element) => [element.fieldAlias, element]))
  const isPostgres = dialect.name === 'postgres'
  const parts = isPostgres ? ofOne(db, part, selected, id) : ofAll(db, page, part, selected, id)
  const { [PLACE]: place, ...fields } = getFields(parts) as
    & Record<string, SQL.Aliased>
    & Record<typeof PLACE, SQL.Aliased>
  const rows = db.select({
    ...fields,
    [ITEM]: sql`${id}`.as(ITEM),
    [PLACE]: place
  }).from(page).$dynamic()
  const joined = isPostgres
    ? rows.leftJoinLateral(parts, sql`true`)
    : rows.leftJoin(parts, isPart(fields, place, part, id))
  const lines = joined.orderBy(...order, asc(place)).limit(part.rows).as('lines')
  const source = collect(db, isPostgres ? 'json_agg' : 'json_group_array', lines, names)
  const { [ITEM]: item, ...columns } = getFields(source) as Record<string, SQL.Aliased>
  return { source, on: sql`${item} = ${id}`, columns: Object.values(columns), json }
}

/** One row for each item: an array for each value, which the database makes faster than an object for each row. */
function collect (db: Database, aggregate: string, lines: Subquery, names: string[]): Subquery {
  const { [ITEM]: item, [PLACE]: place, ...elements } = getFields(lines)
  const arrays = names.map((name) => [
    name,
    sql`cast(${sql.raw(aggregate)}(${elements[name]} order by ${place}) as text)`.as(name)
  ])
  return db.select({
    [ITEM]: item as SQL.Aliased,
    rows: sql`count(*)`.as('part_rows'),
    listed: sql`count(${place})`.as('part_listed'),
    ...Object.fromEntries(arrays) as Record<string, SQL.Aliased>
  }).from(lines).groupBy(sql`${item}`).as('lists')
}

// PostgreSQL looks at no more rows of an item than are listed, and at none behind the last row that may be read.
function ofOne (db: Database, part: Part, elements: Record<string, SQL.Aliased>, id: PgColumn): Subquery {
  const place = sql`row_number() over (order by ${sql.join(part.order, sql`, `)})`
  const rows = db.select({ ...elements, [PLACE]: place.as(PLACE) }).from(part.parent.table as PgTable)
    .where(eq(part.parent, id)).orderBy(...part.order).$dynamic()
  return (part.limit === undefined ? rows : rows.limit(part.limit)).as('parts')
}

// SQLite has no lateral joins.
function ofAll (
  db: Database,
  page: WithSubquery,
  part: Part,
  elements: Record<string, SQL.Aliased>,
  id: PgColumn
): Subquery {
  const place = sql`row_number() over (partition by ${part.parent} order by ${sql.join(part.order, sql`, `)})`
  return db.select({ ...elements, [PLACE]: place.as(PLACE), [ITEM]: sql`${part.parent}`.as(ITEM) })
    .from(part.parent.table as PgTable).where(inArray(part.parent, db.select({ id }).from(page))).as('parts')
}

function isPart (
  { [ITEM]: item }: Record<string, SQL.Aliased>,
  place: SQL.Aliased,
  { limit }: Part,
  id: PgColumn
): SQL | undefined {
  return and(sql`${item} = ${id}`, limit === undefined ? undefined : sql`${place} <= ${limit}`)
}
