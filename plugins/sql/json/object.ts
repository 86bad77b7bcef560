import type { Subquery } from 'drizzle-orm'
import type { TObject, TSchema } from '@sinclair/typebox'
import type { Dialect } from '../../../drizzle/index.ts'
import { valueToJson, type JsonValue, type Value } from './value.ts'

/** How the JSON text of an object is made of the texts of its values. */
export interface JsonObject {
  /** In the order of the texts; the schema's list, which has none, left out. */
  values: JsonValue[]
  /** What stands before each value, and the value; undefined for the list. */
  parts: Array<{ label: string; value: JsonValue | undefined }>
  /**
   * @param texts JSON text of each value, by the database
   * @param list JSON text of the object's list, where its schema has one
   * @returns undefined where JSON has no words for one of the values
   */
  write: (texts: ArrayLike<unknown>, list?: string) => string | undefined
}

/**
 * Prepares the JSON text of rows: an object with the fields of the schema, in its order.
 * @param schema names the fields and their types
 * @param fields where their values are; others are ignored
 * @param parent a column that is the id of what the rows are listed in
 * @throws TypeError when one is missing, or holds another type
 */
export function objectToJson (
  schema: TObject,
  fields: Record<string, Value>,
  dialect: Dialect,
  parent?: Value
): JsonObject {
  const parts = Object.entries(schema.properties).map(([name, property]: [string, TSchema], at) => ({
    label: `${at === 0 ? '{' : ','}${JSON.stringify(name)}:`,
    value: property['type'] === 'array' ? undefined : toValue(fields[name], property, name, dialect, parent)
  }))
  return {
    values: parts.flatMap(({ value }) => value ?? []),
    parts,
    write (texts, list = '[]') {
      let [json, at] = ['', 0]
      for (const { label, value } of parts) {
        const text = value === undefined ? list : value.write(texts[at++])
        if (text === undefined) return undefined
        json += label + text
      }
      return `${json}}`
    }
  }
}

/** The fields that a sub-query returns. */
export function getFields (source: Subquery): Record<string, Value> {
  return source._.selectedFields as Record<string, Value>
}

function toValue (
  value: Value | undefined,
  schema: TSchema,
  name: string,
  dialect: Dialect,
  parent: Value | undefined
): JsonValue {
  if (value === undefined) throw new TypeError(`The list has no column for the field ${name}: select it in its page`)
  const json = valueToJson(value, schema, name, dialect)
  return { ...json, isParent: value === parent && json.kind === 'integer' }
}
