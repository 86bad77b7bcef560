import { Column, is, sql, type SQL } from 'drizzle-orm'
import type { PgColumn } from 'drizzle-orm/pg-core'
import type { TSchema } from '@sinclair/typebox'
import type { Dialect } from '../../../drizzle/index.ts'

/** What stands behind a field of a list: a column, or an expression of the type that the schema names. */
export type Value = PgColumn | SQL.Aliased

type Kind = 'string' | 'date' | 'integer' | 'number' | 'boolean'
type Words = Record<Kind, (value: Value) => SQL>

/** Drizzle's names for what a column holds, by what a schema may call it. */
const HELD: Record<Kind, readonly string[]> = {
  string: ['string'],
  date: ['date', 'custom'],
  integer: ['number'],
  number: ['number'],
  boolean: ['boolean']
}

const SECONDS = sql.raw(`'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'`)
const AFTER_YEAR = sql.raw(`'-MM-DD"T"HH24:MI:SS.MS"Z"'`)

// A year that JSON's readers have no word for makes null; those beyond 9999 are told as toISOString() tells them.
function postgresDate (value: Value): SQL {
  const moment = is(value, Column) && !value.getSQLType().includes('with time zone')
    ? sql`${value}`
    : sql`${value} at time zone 'UTC'`
  const isPlain = sql`${value} >= '0001-01-01 00:00:00+00' and ${value} < '10000-01-01 00:00:00+00'`
  const isLate = sql`${value} >= '10000-01-01 00:00:00+00' and ${value} < '275760-09-13 00:00:00.001+00'`
  return sql`case when ${isPlain} then '"' || to_char(${moment}, ${SECONDS}) || '"'
    when ${isLate} then '"+' || lpad(to_char(${moment}, 'YYYY'), 6, '0') || to_char(${moment}, ${AFTER_YEAR}) || '"' end`
}

const POSTGRES: Words = {
  string: (value) => sql`to_json(cast(${value} as text))::text`,
  date: postgresDate,
  integer: (value) => sql`cast(${value} as text)`,
  number: (value) => {
    const text = sql`cast(${value} as text)`
    return sql`case when ${text} not in ('NaN', 'Infinity', '-Infinity') then ${text} end`
  },
  boolean: (value) => sql`cast(${value} as text)`
}

// A file may hold any type in any column: json_quote() makes JSON of whatever it is.
const SQLITE: Words = {
  string: (value) => sql`json_quote(${value})`,
  date: (value) => {
    const isPlain = sql`strftime('%Y-%m-%dT%H:%M:%fZ', ${value}) = ${value}`
    return sql`case when ${isPlain} or ${value} glob '[+-][0-9][0-9][0-9][0-9][0-9][0-9]-*Z' then json_quote(${value}) end`
  },
  integer: (value) => sql`json_quote(${value})`,
  number: (value) =>
    sql`case when typeof(${value}) <> 'real' then json_quote(${value})
    when abs(${value}) <= 1.7976931348623157e308 then printf('%!.17g', ${value}) end`,
  boolean: (value) => sql`case when ${value} = 1 then 'true' else 'false' end`
}

/**
 * The SQL that makes JSON text of a value, as a serializer would of what Drizzle reads: text, decimals, instants, whole
 * and broken numbers, booleans. Null where JSON, or a client's date, has no word for the value.
 * @param value a column or an expression
 * @param schema the field of the response
 * @param name what the field is called, for the error
 * @throws TypeError when a column holds something else than the schema says, or may be null where the schema does not
 */
export function valueToJson (value: Value, schema: TSchema, name: string, { name: dialect }: Dialect): SQL {
  const { kind, isNullable } = describe(schema, name)
  if (is(value, Column)) check(value, kind, isNullable, name)
  const text = (dialect === 'postgres' ? POSTGRES : SQLITE)[kind](value)
  return isNullable ? sql`case when ${value} is null then 'null' else ${text} end` : text
}

function describe (schema: TSchema, name: string): { kind: Kind; isNullable: boolean } {
  const choices = (schema['anyOf'] as TSchema[] | undefined) ?? [schema]
  const [one, ...more] = choices.filter(({ type }) => type !== 'null')
  const kind = one?.['format'] === 'date-time' ? 'date' : String(one?.['type'])
  if (more.length > 0 || !(kind in HELD)) {
    throw new TypeError(`The field ${name} cannot be told as text: give it a type of ${Object.keys(HELD).join(', ')}`)
  }
  return { kind: kind as Kind, isNullable: choices.length > 1 }
}

function check ({ dataType, notNull }: Column, kind: Kind, isNullable: boolean, name: string): void {
  if (!HELD[kind].includes(dataType)) {
    throw new TypeError(
      `The field ${name} is a ${kind} in the schema, its column holds a ${dataType}: correct one of them`
    )
  }
  if (!notNull && !isNullable) {
    throw new TypeError(`The column of ${name} may be null: declare it notNull(), or let the schema have null too`)
  }
}
