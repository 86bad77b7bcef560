import { sql, type SQL, type Subquery } from 'drizzle-orm'
import type { TObject, TSchema } from '@sinclair/typebox'
import type { Dialect } from '../../../drizzle/index.ts'
import { valueToJson, type Value } from './value.ts'

/** Fields by the names of a schema. An `SQL` is the JSON text of a list. */
type Fields = Record<string, Value | SQL>

/**
 * The SQL that makes JSON text of a row: an object with the fields of the schema, in its order. Null where one of them
 * has no words.
 * @param schema names the fields and their types
 * @param fields where their values are; others are ignored
 * @throws TypeError when one is missing, or holds another type
 */
export function objectToJson (schema: TObject, fields: Fields, dialect: Dialect): SQL<string | null> {
  const parts = Object.entries(schema.properties).map(([name, property]: [string, TSchema], at) => {
    const value = fields[name]
    if (value === undefined) throw new TypeError(`The list has no column for the field ${name}: select it in its page`)
    const label = `${at === 0 ? '{' : ','}${JSON.stringify(name)}:`
    return sql`${literal(label)} || ${
      property['type'] === 'array' ? value : valueToJson(value as Value, property, name, dialect)
    }`
  })
  return sql<string | null>`${sql.join(parts, sql` || `)} || '}'`
}

/** The fields that a sub-query returns. */
export function getFields (source: Subquery): Record<string, Value> {
  return source._.selectedFields as Record<string, Value>
}

function literal (text: string): SQL {
  return sql.raw(`'${text.replaceAll("'", "''")}'`)
}
