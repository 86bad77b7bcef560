import { sql, type SQL, type WithSubquery } from 'drizzle-orm'
import type { PgColumn } from 'drizzle-orm/pg-core'
import type { TObject } from '@sinclair/typebox'
import type { Database, Dialect } from '../../../drizzle/index.ts'
import { getFields, objectToJson } from './object.ts'
import { joinParts, withParts, type Part } from './part.ts'

/** A row of a list: its item as JSON text, and what a cursor is made of. */
export type TextRow<Keys> = Keys & {
  /** Null where the item holds a value that JSON has no word for. */
  json: string | null
  /** Rows that belong to the item, at least 1. */
  rows: number
}

type Keys = Record<string, PgColumn>
type Data<K extends Keys> = { [Name in keyof K]: K[Name]['_']['data'] }

interface List<Chosen, K extends Keys> {
  /** What an item looks like to a client. */
  schema: TObject
  /** The columns that a cursor is made of. */
  keys: (page: Chosen) => K
  /** The order of items, the same in which the page was chosen. */
  order: (page: Chosen) => SQL[]
  /** What is listed in each item. */
  part?: Part
}

/**
 * A statement that reads a page as JSON text: the database writes each item, so that no object is made on the way. The
 * fields are those of the schema; how each is written follows from the type of its column.
 * @param dialect the third argument of `defineQueries`
 * @param page `db.$with('page').as(…)`: the items, in order and limited, with all columns that schema and keys name
 * @param list how items are written and ordered
 * @throws TypeError when columns and schema do not agree
 * @example
 * const page = db.$with('page').as(db.select().from(users).orderBy(asc(users.id)).limit(limit))
 * return textList(db, dialect, page, { schema: UserSchema, keys: ({ id }) => ({ id }), order: ({ id }) => [asc(id)] })
 */
export function textList<Chosen extends WithSubquery, K extends Keys & { id: PgColumn }> (
  db: Database,
  dialect: Dialect,
  page: Chosen,
  { schema, keys, order, part }: List<Chosen, K>
): PromiseLike<Array<TextRow<Data<K>>>> {
  const items: WithSubquery = part === undefined ? page : withParts(db, dialect, page, part, order(page))
  const fields = getFields(items)
  const inner = part === undefined ? {} : { [part.name]: joinParts(items, dialect) }
  const list = db.with(page).select({
    ...keys(items as Chosen),
    json: objectToJson(schema, { ...fields, ...inner }, dialect),
    rows: (part === undefined ? sql`1` : sql`count(*)`).mapWith(Number)
  }).from(items).orderBy(...order(items as Chosen)).$dynamic()
  const grouped = part === undefined
    ? list
    : list.groupBy(...Object.keys(getFields(page)).map((name) => fields[name] as PgColumn))
  return grouped as unknown as PromiseLike<Array<TextRow<Data<K>>>>
}
