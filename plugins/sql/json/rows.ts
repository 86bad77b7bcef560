import type { Dialect } from '../../../drizzle/index.ts'
import { createRowReader, type Prepared, type Row } from '../../../drizzle/prepared/rows.ts'
import { compileArrays } from './arrays.ts'
import type { JsonObject } from './object.ts'

/** A row of a list: its item as JSON text, and what a cursor is made of. */
export type TextRow<Keys> = Keys & {
  /** Null where the item holds a value that JSON has no word for. */
  json: string | null
  /** Rows that belong to the item, at least 1. */
  rows: number
}

/**
 * Prepares reading the rows of a `textList`: what a cursor is made of, the texts of the item, and where something is
 * listed in items, how many rows were read of it, how many are listed, and an array for each of their values.
 * @param keyCount how many columns a cursor is made of; the first is the id
 */
export function compileRows (
  { name: dialect }: Dialect,
  keyCount: number,
  item: JsonObject,
  part: JsonObject | undefined
) {
  const partAt = keyCount + item.values.length
  const writeObjects = part === undefined
    ? undefined
    : dialect === 'postgres'
    ? compileArrays(part)
    : compileTexts(part)
  function writeList (row: Row): string | undefined {
    const count = Number(row[partAt + 1])
    if (writeObjects === undefined || count === 0) return ''
    return writeObjects(Array.prototype.slice.call(row, partAt + 2), count, String(row[0]))
  }
  return function compileReader ({ fields = [] }: Prepared): (rows: Row[]) => Array<TextRow<object>> {
    const readKeys = createRowReader({ fields: fields.slice(0, keyCount) }) as (rows: Row[]) => object[]
    return function toTextRows (rows) {
      const keys = readKeys(rows)
      return rows.map((row, at) => {
        const list = writeList(row)
        const texts = Array.prototype.slice.call(row, keyCount, partAt)
        const json = list === undefined ? undefined : item.write(texts, `[${list}]`)
        return { ...keys[at], json: json ?? null, rows: part === undefined ? 1 : Number(row[partAt]) }
      })
    }
  }
}

/** What SQLite has collected are JSON texts, null where there is none. */
function compileTexts (part: JsonObject): ReturnType<typeof compileArrays> {
  return function writeObjects (arrays, count) {
    const columns = arrays.map((array) => JSON.parse(array) as unknown[])
    let list = ''
    for (let place = 0; place < count; place++) {
      const json = part.write(columns.map((column) => column[place]))
      if (json === undefined) return undefined
      list += place === 0 ? json : `,${json}`
    }
    return list
  }
}
