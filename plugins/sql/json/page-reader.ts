import type { Static, TObject, TSchema } from '@sinclair/typebox'
import { toRowPage, type Page, type PageRequest } from '../../paging/page.ts'
import { JsonWriter } from '../../common/json-writer.ts'
import type { TextRow } from './rows.ts'

/** What becomes of the rows of a page. */
type Reader<Item, Keys, Cursor, Request> = (rows: Array<TextRow<Keys>>, page: Request) => Page<Item, Cursor>

// `[`, `,` and `]`
const [OPEN, COMMA, CLOSE] = [0x5b, 0x2c, 0x5d]
/** One for all: a page is written without a pause. */
const writer = new JsonWriter()
const REASON = 'it holds a value that JSON has no word for, such as an instant before the year 1'

/**
 * Prepares reading the rows of a `textList`: their texts become the text of the page, whatever the handle. Here is
 * decided that lists from SQL are text; an object is made of it only where somebody asks for `items`.
 * @param table name of the table, for the log
 * @param schema what an item looks like to a client
 * @param getCursor makes the cursor that follows an item, for what was asked
 * @param inner what the lists in an item hold, by field
 * @returns takes the rows and what was asked for. A row that cannot be told is left out and named, and takes a place of
 * the page
 */
export function sqlPages<
  T extends TObject,
  Keys extends { id: unknown },
  Cursor,
  Request extends PageRequest<Cursor> = PageRequest<Cursor>
> (
  table: string,
  schema: T,
  getCursor: (last: Keys, page: Request) => Cursor,
  inner: Record<string, TObject> = {}
): Reader<Static<T>, Keys, Cursor, Request> {
  const revive = compileReviver(schema, inner)
  return function toTextPage (rows, page) {
    const count = rows.reduce((sum, row) => sum + row.rows, 0)
    const { items: chosen, next, isTooLarge } = toRowPage(rows, count, page, (last) => getCursor(last, page))
    if (isTooLarge === true) return { items: [], next, isTooLarge }
    const json = toArray(chosen)
    const strange = chosen.filter((row) => row.json === null)
    return {
      json,
      get items () {
        return (JSON.parse(String(json)) as object[]).map(revive) as Array<Static<T>>
      },
      next,
      ...(strange.length === 0
        ? {}
        : { left: strange.map(({ id }) => ({ collection: table, id: String(id), reason: REASON })) })
    }
  }
}

function toArray (rows: Array<TextRow<object>>): string | Buffer {
  writer.clear()
  writer.writeByte(OPEN)
  for (const { json } of rows) {
    if (json === null) continue
    if (writer.at > 1) writer.writeByte(COMMA)
    writer.writeText(json)
  }
  writer.writeByte(CLOSE)
  return writer.toPayload()
}

/** Makes the dates of what was JSON text, also in the lists of an item. */
function compileReviver (schema: TObject, inner: Record<string, TObject> = {}): (item: object) => object {
  const fields = Object.entries(schema.properties) as Array<[string, TSchema]>
  const dates = fields.filter(([, { format }]) => format === 'date-time').map(([name]) => name)
  const lists = Object.entries(inner).map(([name, one]) => [name, compileReviver(one)] as const)
  return (item) => {
    const values = item as Record<string, unknown>
    for (const name of dates) if (typeof values[name] === 'string') values[name] = new Date(values[name])
    for (const [name, reviveOne] of lists) (values[name] as object[]).forEach(reviveOne)
    return values
  }
}
