import {
  and,
  asc,
  desc,
  eq,
  inArray,
  sql,
  type Placeholder,
  type SQL,
  type Subquery,
  type WithSubquery
} from 'drizzle-orm'
import type { PgColumn, PgTable } from 'drizzle-orm/pg-core'
import type { TObject } from '@sinclair/typebox'
import type { Database, Dialect } from '../../../drizzle/index.ts'
import { getFields, objectToJson, type JsonObject } from './object.ts'

/** A column by which something is ordered. */
interface Key {
  column: PgColumn
  isDescending: boolean
}

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
  /** Ends with a column that is different in each of them. */
  order: Key[]
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

type Fields = Record<string, SQL.Aliased>

/** Names that no field has. */
const ELEMENT = 'part_element'
const KEY = 'part_key'
const PARENT = 'part_parent'
const ITEM = 'part_item'
const PLACE = `${KEY}_1`

/**
 * What is listed in the items of a page. Only `part.rows` rows are read, in the order of the page; items behind the last
 * one are missing.
 */
export function toLists (db: Database, dialect: Dialect, page: WithSubquery, part: Part, order: SQL[]): Lists {
  const id = getFields(page)['id'] as PgColumn
  const isPostgres = dialect.name === 'postgres'
  // PostgreSQL need not collect the column of the parent: it is the id of the item, time and again.
  const json = objectToJson(part.schema, part.columns, dialect, isPostgres ? part.parent : undefined)
  const elements = numbered(ELEMENT, json.values.filter(({ isParent }) => !isParent).map(({ element }) => element))
  const keys = numbered(KEY, isPostgres ? part.order.map(({ column }) => sql`${column}`) : [toPlace(part)])
  const selected = { ...elements, ...keys, [PARENT]: sql`${part.parent}`.as(PARENT) }
  const parts = isPostgres ? ofOne(db, part, selected, id) : ofAll(db, page, part, selected, id)
  const rows = db.select({ ...getFields(parts) as Fields, [ITEM]: sql`${id}`.as(ITEM) }).from(page).$dynamic()
  const joined = isPostgres
    ? rows.leftJoinLateral(parts, sql`true`)
    : rows.leftJoin(parts, isPart(getFields(parts) as Fields, part, id))
  const inOrder = (from: Subquery): SQL[] => isPostgres ? toOrder(part, from) : [asc(getField(from, PLACE))]
  const lines = joined.orderBy(...order, ...inOrder(parts)).limit(part.rows).as('lines')
  const source = collect(db, isPostgres ? 'json_agg' : 'json_group_array', lines, Object.keys(elements), inOrder(lines))
  const { [ITEM]: item, ...columns } = getFields(source) as Fields
  return { source, on: sql`${item} = ${id}`, columns: Object.values(columns), json }
}

/** One row for each item: an array for each value, which the database makes faster than an object for each row. */
function collect (db: Database, aggregate: string, lines: Subquery, names: string[], order: SQL[]): Subquery {
  const arrays = names.map((name) => [
    name,
    sql`cast(${sql.raw(aggregate)}(${getField(lines, name)} order by ${sql.join(order, sql`, `)}) as text)`.as(name)
  ])
  const item = getField(lines, ITEM)
  return db.select({
    [ITEM]: item,
    rows: sql`count(*)`.as('part_rows'),
    listed: sql`count(${getField(lines, PARENT)})`.as('part_listed'),
    ...Object.fromEntries(arrays) as Fields
  }).from(lines).groupBy(sql`${item}`).as('lists')
}

// PostgreSQL looks at no more rows of an item than are listed, and at none behind the last row that may be read.
function ofOne (db: Database, part: Part, selected: Fields, id: PgColumn): Subquery {
  const rows = db.select(selected).from(part.parent.table as PgTable).where(eq(part.parent, id)).$dynamic()
  return (part.limit === undefined ? rows : rows.orderBy(...toOrder(part)).limit(part.limit)).as('parts')
}

// SQLite has no lateral joins.
function ofAll (db: Database, page: WithSubquery, part: Part, selected: Fields, id: PgColumn): Subquery {
  return db.select(selected).from(part.parent.table as PgTable)
    .where(inArray(part.parent, db.select({ id }).from(page))).as('parts')
}

function isPart ({ [PARENT]: parent, [PLACE]: place }: Fields, { limit }: Part, id: PgColumn): SQL | undefined {
  return and(sql`${parent} = ${id}`, limit === undefined ? undefined : sql`${place} <= ${limit}`)
}

function toPlace (part: Part): SQL {
  return sql`row_number() over (partition by ${part.parent} order by ${sql.join(toOrder(part), sql`, `)})`
}

/** The order of the listed, in their table or in a query that has selected its columns. */
function toOrder ({ order }: Part, from?: Subquery): SQL[] {
  return order.map(({ column, isDescending }, at) => {
    const key = from === undefined ? column : getField(from, `${KEY}_${at + 1}`)
    return isDescending ? desc(key) : asc(key)
  })
}

function numbered (name: string, values: SQL[]): Fields {
  return Object.fromEntries(values.map((value, at) => [`${name}_${at + 1}`, value.as(`${name}_${at + 1}`)]))
}

function getField (from: Subquery, name: string): SQL.Aliased {
  return getFields(from)[name] as SQL.Aliased
}
