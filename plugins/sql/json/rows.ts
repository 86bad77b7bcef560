import type { Dialect } from '../../../drizzle/index.ts'
import { createRowReader, type Prepared, type Row } from '../../../drizzle/prepared/rows.ts'
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
 * @param keyCount how many columns a cursor is made of
 */
export function compileRows (
  { name: dialect }: Dialect,
  keyCount: number,
  item: JsonObject,
  part: JsonObject | undefined
) {
  const partAt = keyCount + item.values.length
  const split = dialect === 'postgres' ? splitArray : readTexts
  function writeList (row: Row): string | undefined {
    const count = Number(row[partAt + 1])
    if (part === undefined || count === 0) return ''
    const columns = part.values.map((_, at) => split(String(row[partAt + 2 + at]), count))
    return writeObjects(part, columns, count)
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

/** Undefined where JSON has no words for one of the objects. */
function writeObjects (part: JsonObject, columns: unknown[][], count: number): string | undefined {
  let list = ''
  const texts: unknown[] = []
  for (let place = 0; place < count; place++) {
    for (let at = 0; at < columns.length; at++) texts[at] = columns[at]?.[place]
    const json = part.write(texts)
    if (json === undefined) return undefined
    list += place === 0 ? json : `,${json}`
  }
  return list
}

/**
 * JSON texts of the elements of an array by PostgreSQL. Where nothing is escaped no quote is part of a text, so that the
 * array is cut where one ends; decoding it and encoding each again would take longer than all else.
 */
function splitArray (array: string, count: number): string[] {
  if (!array.includes('\\')) {
    const texts = array.startsWith('["')
      ? array.slice(2, -2).split('", "').map((text) => `"${text}"`)
      : array.includes('"')
      ? []
      : array.slice(1, -1).split(', ')
    if (texts.length === count) return texts
  }
  return (JSON.parse(array) as unknown[]).map((element) => JSON.stringify(element))
}

/** What SQLite has collected are JSON texts, null where there is none. */
function readTexts (array: string): unknown[] {
  return JSON.parse(array) as unknown[]
}
