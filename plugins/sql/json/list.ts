import type { SQL, WithSubquery } from 'drizzle-orm'
import type { PgColumn } from 'drizzle-orm/pg-core'
import type { TObject } from '@sinclair/typebox'
import type { Database, Dialect } from '../../../drizzle/index.ts'
import { readBy } from '../../../drizzle/prepared/read-by.ts'
import { getFields, objectToJson } from './object.ts'
import { toLists, type Part } from './part.ts'
import { compileRows, type TextRow } from './rows.ts'

type Keys = Record<string, PgColumn>
type Data<K extends Keys> = { [Name in keyof K]: K[Name]['_']['data'] }

interface List<Chosen, K extends Keys> {
  /** What an item looks like to a client. */
  schema: TObject
  /** The columns that a cursor is made of; `id` is the first. */
  keys: (page: Chosen) => K
  /** The order of items, the same in which the page was chosen. */
  order: (page: Chosen) => SQL[]
  /** What is listed in each item. */
  part?: Part
}

/**
 * A statement that reads a page as JSON text: the texts of its values become that of its items, so that no object is
 * made on the way. The fields are those of the schema; how each is written follows from the type of its column. Of what
 * is listed in items only `part.rows` are read, in the order of the page, so that a page of long items costs no more
 * than one of short ones.
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
  const item = objectToJson(schema, getFields(page), dialect)
  const { id, ...others } = keys(page)
  const chosen = { id, ...others }
  const texts = numbered('item', item.values.map(({ text }) => text))
  const lists = part === undefined ? undefined : toLists(db, dialect, page, part, order(page))
  const query = lists === undefined
    ? db.with(page).select({ ...chosen, ...texts }).from(page as WithSubquery)
    : db.with(page).select({ ...chosen, ...texts, ...numbered('part', lists.columns) }).from(page as WithSubquery)
      .innerJoin(lists.source, lists.on)
  const read = compileRows(dialect, Object.keys(chosen).length, item, lists?.json)
  return readBy(query.orderBy(...order(page)), read) as PromiseLike<Array<TextRow<Data<K>>>>
}

function numbered<Text extends SQL | SQL.Aliased> (name: string, texts: Text[]): Record<string, Text> {
  return Object.fromEntries(texts.map((text, at) => [`${name}_${at + 1}`, text]))
}
