import { and, eq, getTableColumns, param, type Placeholder, type SQL } from 'drizzle-orm'
import type { PgColumn, PgTable } from 'drizzle-orm/pg-core'
import type { Static, TObject } from '@sinclair/typebox'
import type { Database, Dialect, Tables } from '../../../drizzle/index.ts'
import { defineQueries, later, type Params } from '../../../drizzle/prepared/queries.ts'
import type { List, Order } from '../../../schemas/list.ts'
import { getFilters, getOrder, getPlace, toCursor, type Key, type ListRequest } from '../../paging/cursor.ts'
import { getRowLimit, type Page } from '../../paging/page.ts'
import { textList } from '../json/list.ts'
import type { TextRow } from '../json/rows.ts'
import { getFields } from '../json/object.ts'
import { sqlPages } from '../json/page-reader.ts'
import type { Part } from '../json/part.ts'
import { after, orderBy, type Sorted } from './order.ts'

type Columns = Record<string, PgColumn>
type Row = TextRow<{ id: string | number; key: Key }>
type Values = Record<string, unknown>

interface Source<T extends TObject> {
  /** First part of the names of its statements. */
  name: string
  /** What an item looks like to a client. */
  schema: T
  table: (tables: Tables) => PgTable
  /** How a filter compares where it is not for equality. */
  compare?: Record<string, (column: PgColumn, value: Placeholder, dialect: Dialect) => SQL>
  /** What is listed in each item: its field, what one looks like, and where they are. */
  part?: Pick<Part, 'name' | 'schema'> & { from: (tables: Tables) => Omit<Part, 'name' | 'schema' | 'rows'> }
}

/** A statement of a list: one for each order, with and without a cursor, and set of filters. */
interface Variant {
  order: Order
  filters: string[]
  isAfter: boolean
}

interface Selection<T extends TObject> {
  list: List
  source: Source<T>
  variant: Variant
  values: Params<Values>
}

/** A list in SQL, bound to a handle by `on`. */
export interface SqlList<Item> {
  on: (db: Database) => (request: ListRequest) => Promise<Page<Item>>
}

/**
 * The pages of a list that `defineList` has declared. Each way to ask for one is a statement of its own, built from the
 * columns of the table, so that nothing of a request is ever part of its text.
 * @param list what it may be sorted and filtered by
 * @param source where its items are
 * @throws TypeError at boot when the table has no such column, or one that may be null
 * @example
 * const pages = sqlList(orderList, { name: 'orders', schema: OrderSchema, table: ({ orders }) => orders })
 * await pages.on(request.db)({ limit: 10, sort: '-total' })
 */
export function sqlList<T extends TObject> (list: List, source: Source<T>): SqlList<Static<T>> {
  const variants = toVariants(list)
  const names = new Map(variants.map((variant, at) => [toKey(variant), at === 0 ? 'list' : `list_${at + 1}`]))
  const queries = defineQueries(source.name, (db, tables, dialect) => {
    checkColumns(list, source, tables)
    return Object.fromEntries(variants.map((variant, at) => {
      const query = (values: Params<Values>) => select(db, tables, dialect, { list, source, variant, values })
      // The first one shows at boot whether columns and schema agree; of the others few are asked for.
      return [names.get(toKey(variant)) ?? '', at === 0 ? query : later(query)]
    }))
  })
  const toPage = sqlPages<T, Row, string, ListRequest>(
    source.name,
    source.schema,
    ({ key, id }, { sort }) => toCursor(list, getOrder(list, sort), key, id),
    source.part === undefined ? {} : { [source.part.name]: source.part.schema }
  )
  return {
    on (db) {
      const run = queries.on(db)
      return async function readPage (request) {
        const place = getPlace(list, request)
        const variant = {
          order: getOrder(list, request.sort),
          filters: getFilters(list, request),
          isAfter: place !== undefined
        }
        const name = names.get(toKey(variant))
        if (name === undefined) {
          throw new RangeError(`The list ${source.name} has no such order, or not with this filter`)
        }
        const { limit, skip = 0 } = request
        const values = toFilterValues(request, variant.filters)
        const rows = await run[name]?.({ ...values, ...place, skip, limit: limit + 1, rows: getRowLimit(request) })
        return toPage(rows ?? [], request)
      }
    }
  }
}

function checkColumns<T extends TObject> ({ sort, filters }: List, { name, table }: Source<T>, tables: Tables): void {
  const columns = getTableColumns(table(tables)) as Columns
  for (const column of Object.keys({ ...sort, ...filters })) getColumn(columns, column, name)
}

// Filters go with the order of the list, whose index they are in; where one is unique, with every order.
function toVariants ({ order: own, sort, filters }: List): Variant[] {
  const orders = Object.keys(sort).flatMap((column) => [false, true].map((isDescending) => ({ column, isDescending })))
  const rank = ({ column, isDescending }: Order): number =>
    column !== own.column ? 2 : isDescending === own.isDescending ? 0 : 1
  return orders.toSorted((one, other) => rank(one) - rank(other)).flatMap((order) =>
    toSubsets(Object.keys(filters))
      .filter((set) =>
        set.length === 0 || order.column === own.column || set.some((name) => filters[name]?.isUnique === true)
      )
      .flatMap((set) => [false, true].map((isAfter) => ({ order, filters: set, isAfter })))
  )
}

function toSubsets (names: string[]): string[][] {
  return names.reduce<string[][]>((sets, name) => [...sets, ...sets.map((set) => [...set, name])], [[]])
}

/** The values of the filters, apart from those of the page: a column may be called `key` or `rows`. */
function toFilterValues (request: object, filters: string[]): Values {
  const values = request as Values
  return Object.fromEntries(filters.map((name) => [toParam(name), values[name]]))
}

const toParam = (filter: string): string => `filter ${filter}`

function toKey ({ order: { column, isDescending }, filters, isAfter }: Variant): string {
  return [column, isDescending, isAfter, ...filters].join(' ')
}

function select<T extends TObject> (
  db: Database,
  tables: Tables,
  dialect: Dialect,
  { list, source: { name, schema, table: getTable, compare = {}, part }, variant, values }: Selection<T>
): PromiseLike<Row[]> {
  const table = getTable(tables)
  const columns = getTableColumns(table) as Columns
  const sorted = toSorted(list, variant.order, columns, name)
  const { limit, skip, rows } = values as Record<'limit' | 'skip' | 'rows', Placeholder>
  const where = variant.filters.map((filter) => {
    const [column, value] = [getColumn(columns, filter, name), values[toParam(filter)] as Placeholder]
    return compare[filter]?.(column, value, dialect) ?? eq(column, param(value, column))
  })
  if (variant.isAfter) where.push(after(sorted, values as Record<'key' | 'id', Placeholder>, dialect))
  const chosen = db.select(pick(columns, [...Object.keys(schema.properties), 'id', variant.order.column])).from(table)
    .where(and(...where)).orderBy(...orderBy(sorted, dialect)).limit(limit).$dynamic()
  const page = db.$with('page').as(variant.isAfter ? chosen : chosen.offset(skip))
  return textList(db, dialect, page, {
    schema,
    keys: (from) => {
      const { id, key } = toSorted(list, variant.order, getFields(from) as Columns, name)
      return { id, key }
    },
    order: (from) => orderBy(toSorted(list, variant.order, getFields(from) as Columns, name), dialect),
    ...(part === undefined ? {} : { part: { name: part.name, schema: part.schema, ...part.from(tables), rows } })
  }) as PromiseLike<Row[]>
}

function toSorted ({ sort }: List, { column, isDescending }: Order, columns: Columns, name: string): Sorted {
  const key = getColumn(columns, column, name)
  return { key, id: getColumn(columns, 'id', name), kind: sort[column] ?? 'integer', isDescending }
}

function getColumn (columns: Columns, column: string, name: string): PgColumn {
  const found = columns[column]
  if (found === undefined) throw new TypeError(`The table of the list ${name} has no column ${column}`)
  if (!found.notNull) throw new TypeError(`The column ${column} of the list ${name} may be null: declare it notNull()`)
  return found
}

function pick (columns: Columns, names: string[]): Columns {
  return Object.fromEntries(Object.entries(columns).filter(([name]) => names.includes(name)))
}
