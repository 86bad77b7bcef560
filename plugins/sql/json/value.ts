import { Column, is, sql, type SQL } from 'drizzle-orm'
import type { PgColumn } from 'drizzle-orm/pg-core'
import type { TSchema } from '@sinclair/typebox'
import type { Dialect } from '../../../drizzle/index.ts'

/** What stands behind a field of a list: a column, or an expression of the type that the schema names. */
export type Value = PgColumn | SQL.Aliased

/** How the JSON text of a value is made. */
export interface JsonValue {
  kind: Kind
  /** Whether it is the id of the item in which its row is listed. */
  isParent: boolean
  /** JSON text by the database; null where it has no word for the value. */
  text: SQL
  /** What the database shall collect in a JSON array, where there are many. */
  element: SQL
  /** Makes that text what a serializer would write; undefined where JSON, or a client's date, has no word for it. */
  write: (text: unknown) => string | undefined
}

export type Kind = 'string' | 'date' | 'integer' | 'number' | 'boolean'
type Words = Record<Kind, { select: (value: Value) => SQL; write: (text: string) => string | undefined }>

/** Drizzle's names for what a column holds, by what a schema may call it. */
const HELD: Record<Kind, readonly string[]> = {
  string: ['string'],
  date: ['date', 'custom'],
  integer: ['number'],
  number: ['number'],
  boolean: ['boolean']
}

const same = (text: string): string => text
const asItIs = (value: Value): SQL => sql`${value}`

/** What to_json() is given. As JSON an instant reads the same whatever DateStyle and TimeZone are. */
const POSTGRES: Words = {
  string: { select: (value) => sql`cast(${value} as text)`, write: same },
  date: { select: inUtc, write: writeInstant },
  integer: { select: asItIs, write: same },
  number: { select: asItIs, write: (text) => text.startsWith('"') ? undefined : text },
  boolean: { select: asItIs, write: same }
}

// A file may hold any type in any column: json_quote() makes JSON of whatever it is.
const SQLITE: Words = {
  string: { select: (value) => sql`json_quote(${value})`, write: same },
  date: {
    select (value) {
      const isPlain = sql`strftime('%Y-%m-%dT%H:%M:%fZ', ${value}) = ${value}`
      return sql`case when ${isPlain} or ${value} glob '[+-][0-9][0-9][0-9][0-9][0-9][0-9]-*Z' then json_quote(${value}) end`
    },
    write: same
  },
  integer: { select: (value) => sql`json_quote(${value})`, write: same },
  number: {
    select: (value) =>
      sql`case when typeof(${value}) <> 'real' then json_quote(${value})
      when abs(${value}) <= 1.7976931348623157e308 then printf('%!.17g', ${value}) end`,
    write: same
  },
  boolean: { select: (value) => sql`case when ${value} = 1 then 'true' else 'false' end`, write: same }
}

/**
 * How JSON text is made of a value, as a serializer would of what Drizzle reads: text, decimals, instants, whole and
 * broken numbers, booleans.
 * @param value a column or an expression
 * @param schema the field of the response
 * @param name what the field is called, for the error
 * @throws TypeError when a column holds something else than the schema says, or may be null where the schema does not
 */
export function valueToJson (value: Value, schema: TSchema, name: string, { name: dialect }: Dialect): JsonValue {
  const { kind, isNullable } = describe(schema, name)
  if (is(value, Column)) check(value, kind, isNullable, name)
  const { select, write } = (dialect === 'postgres' ? POSTGRES : SQLITE)[kind]
  const none = isNullable ? 'null' : undefined
  return {
    kind,
    isParent: false,
    ...(dialect === 'postgres' ? toPostgres(select(value), isNullable) : toSqlite(value, select(value), isNullable)),
    write: (text) => text === 'null' ? none : typeof text === 'string' ? write(text) : undefined
  }
}

function toPostgres (element: SQL, isNullable: boolean): Pick<JsonValue, 'text' | 'element'> {
  const text = sql`to_json(${element})::text`
  return { element, text: isNullable ? sql`coalesce(${text}, 'null')` : text }
}

// An array of texts: SQLite would take them for JSON otherwise, and write their numbers in its own way.
function toSqlite (value: Value, json: SQL, isNullable: boolean): Pick<JsonValue, 'text' | 'element'> {
  const text = isNullable ? sql`case when ${value} is null then 'null' else ${json} end` : json
  return { text, element: sql`'' || ${text}` }
}

function inUtc (value: Value): SQL {
  const isWithout = is(value, Column) && !value.getSQLType().includes('with time zone')
  return isWithout ? sql`${value}` : sql`${value} at time zone 'UTC'`
}

/**
 * A timestamp of PostgreSQL's JSON, such as "2025-03-30T01:02:03.45", as toISOString() has it. Years before the first
 * and what is no instant have no words.
 */
function writeInstant (text: string): string | undefined {
  const end = text[20]
  if (text[5] === '-' && (end === '"' || (end === '.' && !text.endsWith('BC"')))) {
    return `${text.slice(0, 20)}.${toMilliseconds(text.slice(21, -1))}Z"`
  }
  const [, year, rest, fraction = ''] = /^"(\d{5,6})(-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d+))?"$/.exec(text) ?? []
  if (year === undefined || rest === undefined) return undefined
  const late = `+${year.padStart(6, '0')}${rest}.${toMilliseconds(fraction)}Z`
  return Number.isNaN(Date.parse(late)) ? undefined : `"${late}"`
}

function toMilliseconds (fraction: string): string {
  return fraction === '' ? '000' : fraction.padEnd(3, '0').slice(0, 3)
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
