import { is } from 'drizzle-orm'
import { getTableConfig, PgTable } from 'drizzle-orm/pg-core'
import * as tables from './postgres.ts'

/** A key that the database makes, never the client. */
export interface GeneratedKey {
  table: string
  column: string
}

/**
 * Primary keys that a database makes, by the names in which it reports that one is taken or that none is left: of the
 * constraint or the sequence, or `table.column` in SQLite.
 */
export const generatedKeys: Readonly<Record<string, GeneratedKey>> = Object.fromEntries(
  Object.values(tables).filter((table) => is(table, PgTable)).flatMap((table) => {
    const { name, columns } = getTableConfig(table)
    const column = columns.find(({ primary, generatedIdentity }) => primary && generatedIdentity !== undefined)?.name
    return column === undefined
      ? []
      : [`${name}_pkey`, `${name}_${column}_seq`, `${name}.${column}`].map((key) => [key, { table: name, column }])
  })
)

/**
 * What an operator does when a sequence is behind the rows of its table, or has come to its end.
 * @param isSpent true when no key is left
 */
export function describeRepair ({ table, column }: GeneratedKey, isSpent: boolean): string {
  if (isSpent) {
    return `the database has no key left for "${table}": its sequence was moved to the end, or somebody inserted a huge ${column}. Delete that row, and set the sequence to the largest ${column} that is left`
  }
  return `the database has made a key of "${table}" that is taken: its sequence is behind the rows, as after a restore. PostgreSQL: select setval(pg_get_serial_sequence('${table}', '${column}'), max(${column})) from ${table}`
}
