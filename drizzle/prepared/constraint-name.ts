import { is } from 'drizzle-orm'
import { getTableConfig, SQLiteTable } from 'drizzle-orm/sqlite-core'
import { sqliteSchema } from '../index.ts'

type Fault = Error & { code?: unknown; constraint?: string; extendedCode?: unknown }

const FOREIGN_KEY = new Set<unknown>(['23503', 'SQLITE_CONSTRAINT_FOREIGNKEY'])
const STATEMENT = /^(insert into|update|delete from) "(\w+)"/
const tables = Object.values(sqliteSchema).filter((value) => is(value, SQLiteTable))
const foreignKeys = tables.flatMap((table) => getTableConfig(table).foreignKeys).map((key) => {
  const { columns, foreignTable } = key.reference()
  return { name: key.getName(), table: columns[0]?.table, foreignTable, cascades: key.onDelete === 'cascade' }
})

/**
 * Says which constraint was violated where the database does not: SQLite reports columns instead of the name of an
 * index, and no name of a foreign key; both databases use one name for a row that refers to nothing and for one that is
 * still referred to. Afterwards `error.constraint` is a key of `constraintProblems` in drizzle/constraints.ts.
 * @param error what the driver threw
 * @param text the statement that failed
 * @returns the same error
 */
export function nameConstraint (error: unknown, text: string): unknown {
  if (!(error instanceof Error)) return error
  const fault: Fault = error
  const [, verb = '', table = ''] = STATEMENT.exec(text) ?? []
  const isDelete = verb === 'delete from'
  const code = fault.extendedCode ?? fault.code
  if (FOREIGN_KEY.has(code)) {
    const name = fault.constraint ?? findForeignKey(table, isDelete)
    if (name !== undefined) fault.constraint = isDelete ? `${name} on delete` : name
  } else if (String(code).startsWith('SQLITE_CONSTRAINT')) {
    const name = nameIn(fault.message)
    if (name !== undefined) fault.constraint = name
  }
  return error
}

// The only foreign key it can have been; undefined where there are several.
function findForeignKey (table: string, isDelete: boolean): string | undefined {
  const candidates = foreignKeys.filter((key) =>
    isDelete
      ? getTableConfig(key.foreignTable).name === table && !key.cascades
      : key.table !== undefined && getTableConfig(key.table).name === table
  )
  return candidates.length === 1 ? candidates[0]?.name : undefined
}

// `UNIQUE constraint failed: users.email` → users_email_key; `CHECK constraint failed: users_name_check` → that.
function nameIn (message: string): string | undefined {
  const [, kind, what = ''] = /(UNIQUE|CHECK) constraint failed: (.+)$/.exec(message) ?? []
  if (kind === 'CHECK') return what
  if (kind !== 'UNIQUE') return undefined
  // Of an index on an expression SQLite tells the name.
  const index = /^index '(\w+)'$/.exec(what)?.[1]
  if (index !== undefined) return index
  const columns = what.split(', ').map((column) => column.split('.'))
  return [columns[0]?.[0], ...columns.map(([, name]) => name), 'key'].join('_')
}
