import { Column, getTableName, is, SQL, type DriverValueDecoder } from 'drizzle-orm'

/** A row as drivers give it: values by position. */
export type Row = ArrayLike<unknown>
/** Turns the rows of a driver into what Drizzle would return. */
export type RowReader = (rows: Row[]) => unknown

/** The part of Drizzle's prepared queries that says what becomes of a row. */
export interface Prepared {
  fields?: Field[]
  /** Name of a joined table → false where an outer join may leave it empty. */
  joinsNotNullableMap?: Record<string, boolean>
  /** Relational queries bring their own reader. */
  customResultMapper?: (rows: Row[]) => unknown
}
interface Field {
  path: string[]
  field: unknown
}
interface Target {
  group: string
  key: string
  at: number
  decode: (value: unknown) => unknown
}

/**
 * Drizzle's mapping of rows with everything that is the same for each row done once: decoders, paths, optional joins.
 * @param prepared a query that Drizzle has prepared
 * @returns undefined when the query returns no fields
 * @throws Error when fields are nested deeper than one level
 */
export function createRowReader ({ fields, joinsNotNullableMap, customResultMapper }: Prepared): RowReader | undefined {
  if (customResultMapper !== undefined) return customResultMapper
  if (fields === undefined) return undefined
  if (fields.some(({ path }) => path.length > 2)) {
    throw new Error('A query of a repository may nest its fields one level deep')
  }
  const targets = fields.map(toTarget)
  if (targets.every(({ group }) => group === '')) return (rows) => rows.map((row) => readInto({}, targets, row))
  const groups = [...new Set(targets.map(({ group }) => group))].map((group) => ({
    group,
    targets: targets.filter((target) => target.group === group),
    isOptional: isOptional(fields.filter(({ path }) => path.length === 2 && path[0] === group), joinsNotNullableMap)
  }))
  return (rows) => {
    const results: Array<Record<string, unknown>> = []
    for (const [place, row] of rows.entries()) {
      const result: Record<string, unknown> = {}
      for (const { group, targets, isOptional } of groups) {
        if (group === '') readInto(result, targets, row)
        // A join repeats one side in row after row: what is the same is read once, and shared.
        else if (isRepeated(targets, row, rows[place - 1])) result[group] = results[place - 1]?.[group]
        else {
          result[group] = isOptional && targets.every(({ at }) => row[at] === null)
            ? null
            : readInto({}, targets, row)
        }
      }
      results.push(result)
    }
    return results
  }
}

function isRepeated (targets: Target[], row: Row, previous: Row | undefined): boolean {
  if (previous === undefined) return false
  for (const { at } of targets) if (row[at] !== previous[at]) return false
  return true
}

function readInto (result: Record<string, unknown>, targets: Target[], row: Row): Record<string, unknown> {
  for (const { key, at, decode } of targets) {
    const value = row[at]
    result[key] = value === null ? null : decode(value)
  }
  return result
}

function toTarget ({ path, field }: Field, at: number): Target {
  const decoder = getDecoder(field)
  const [group, key] = path.length === 2 ? path as [string, string] : ['', path[0] ?? '']
  return { group, key, at, decode: (value) => decoder.mapFromDriverValue(value) }
}

function getDecoder (field: unknown): DriverValueDecoder<unknown, unknown> {
  if (is(field, Column)) return field
  // Both `sql` and an alias of it keep what mapWith() was given.
  const expression = is(field, SQL) ? field : (field as SQL.Aliased).sql
  return (expression as unknown as { decoder: DriverValueDecoder<unknown, unknown> }).decoder
}

// As in Drizzle: a group whose columns are all of one table, which an outer join may have left empty.
function isOptional (fields: Field[], joins: Record<string, boolean> | undefined): boolean {
  const tables = new Set(fields.map(({ field }) => is(field, Column) ? getTableName(field.table) : undefined))
  const [table] = tables
  return joins !== undefined && tables.size === 1 && table !== undefined && joins[table] !== true
}
