import { is, sql, SQL } from 'drizzle-orm'
import { getTableConfig as getPgTable, PgDialect, PgTable } from 'drizzle-orm/pg-core'
import { getTableConfig as getSqliteTable, SQLiteSyncDialect, SQLiteTable } from 'drizzle-orm/sqlite-core'
import { MAX_ID } from '../schemas/common.ts'
import type { RunQuery } from './applied.ts'
import { generatedKeys } from './generated-keys.ts'
import { schema, sqliteSchema } from './index.ts'

/** Something that a migration, a rule of today or a client would stumble over. Names places, never values. */
export interface Offence {
  /** Table or collection. */
  where: string
  /** Rule that is broken: a constraint, an index, a validator. */
  rule: string
  count: number
  /** Ids of the first few. */
  examples: string[]
  repair: string
}

/** A table in words that both dialects share. */
interface Table {
  name: string
  /** Column that tells rows apart for people; text where there are several. */
  id: SQL
  checks: Array<{ name: string; value: SQL }>
  uniques: Array<{ name: string; columns: SQL[] }>
  references: Array<{ name: string; columns: string[]; to: string; toColumns: string[] }>
}

type Engine = 'postgres' | 'sqlite'

const EXAMPLES = 5
/** The table or column is not there yet: a migration makes it. */
const NOT_THERE = /^(42P01|42703)$|no such (table|column)/

/**
 * Finds rows that break the rules of the tables of this code, whether the database has those rules already or will get
 * them: checks, unique indexes, foreign keys, and ids that no client could be told.
 * @param run runs a statement on the database
 */
export async function findOffences (run: RunQuery, engine: Engine): Promise<Offence[]> {
  const offences: Offence[] = []
  const dialect = engine === 'postgres' ? new PgDialect() : new SQLiteSyncDialect()
  const ask = (query: SQL) => run(dialect.sqlToQuery(query).sql).catch(ignoreMissing)
  for (const table of engine === 'postgres' ? postgresTables() : sqliteTables()) {
    for (const query of toQueries(table)) {
      const { where, rule, repair } = query
      const rows = await ask(query.text)
      if (rows.length === 0) continue
      const count = Number(rows[0]?.total)
      offences.push({ where, rule, repair, count, examples: rows.map(({ id }) => String(id)) })
    }
  }
  return offences
}

interface Query extends Pick<Offence, 'where' | 'rule' | 'repair'> {
  text: SQL
}

function toQueries ({ name, id, checks, uniques, references }: Table): Query[] {
  const table = sql.identifier(name)
  const select = (condition: SQL) =>
    sql`select ${id} as id, count(*) over () as total from ${table} where ${condition} limit ${
      sql.raw(String(EXAMPLES))
    }`
  const key = generatedKeys[`${name}_pkey`]
  const ids = key === undefined ? [] : [{
    where: name,
    rule: 'range of ids',
    repair: `give them an id from 1 to ${MAX_ID}`,
    text: select(sql`${id} not between 1 and ${sql.raw(String(MAX_ID))}`)
  }]
  return [
    ...ids,
    ...checks.map((check) => ({
      where: name,
      rule: check.name,
      repair: 'correct or delete them',
      text: select(sql`not (${check.value})`)
    })),
    ...uniques.map((unique) => ({
      where: name,
      rule: unique.name,
      repair: 'of each group change or merge all but one',
      text: alike(table, id, sql.join(unique.columns, sql`, `))
    })),
    ...references.map((reference) => ({
      where: name,
      rule: reference.name,
      repair: 'correct or delete them',
      text: select(refersToNothing(table, reference))
    }))
  ]
}

function alike (table: SQL | ReturnType<typeof sql.identifier>, id: SQL, columns: SQL): SQL {
  return sql`select cast(min(${id}) as text) || '…' || cast(max(${id}) as text) as id, count(*) over () as total
    from ${table} group by ${columns} having count(*) > 1 limit ${sql.raw(String(EXAMPLES))}`
}

function refersToNothing (
  table: ReturnType<typeof sql.identifier>,
  { columns, to, toColumns }: Table['references'][number]
): SQL {
  const pairs = columns.map((column, at) =>
    sql`target.${sql.identifier(toColumns[at] ?? '')} = ${table}.${sql.identifier(column)}`
  )
  return sql`not exists (select 1 from ${sql.identifier(to)} as target where ${sql.join(pairs, sql` and `)})`
}

function ignoreMissing (error: unknown): [] {
  const { code, message } = error as { code?: unknown; message?: unknown }
  if (NOT_THERE.test(String(code)) || NOT_THERE.test(String(message))) return []
  throw error
}

function postgresTables (): Table[] {
  return Object.values(schema).filter((value) => is(value, PgTable)).map((value) => {
    const { name, columns, checks, indexes, uniqueConstraints, foreignKeys } = getPgTable(value)
    return toTable({ name, columns, checks, indexes, uniqueConstraints, foreignKeys })
  })
}

function sqliteTables (): Table[] {
  return Object.values(sqliteSchema).filter((value) => is(value, SQLiteTable)).map((value) => {
    const { name, columns, checks, indexes, uniqueConstraints, foreignKeys } = getSqliteTable(value)
    return toTable({ name, columns, checks, indexes, uniqueConstraints, foreignKeys })
  })
}

type Config = Pick<
  ReturnType<typeof getPgTable> | ReturnType<typeof getSqliteTable>,
  'name' | 'columns' | 'checks' | 'indexes' | 'uniqueConstraints' | 'foreignKeys'
>

function toTable ({ name, columns, checks, indexes, uniqueConstraints, foreignKeys }: Config): Table {
  const key = columns.find(({ primary }) => primary) ?? columns[0]
  const uniques = indexes.map(({ config }) => config).filter(({ unique }) => unique)
  return {
    name,
    id: sql`${sql.identifier(name)}.${sql.identifier(key?.name ?? '')}`,
    checks: checks.map(({ name, value }) => ({ name, value })),
    uniques: [
      ...uniques.map(({ name = '', columns }) => ({ name, columns: columns.map((column) => toSql(column)) })),
      ...uniqueConstraints.map((unique) => ({
        name: unique.getName() ?? '',
        columns: unique.columns.map((column) => toSql(column))
      }))
    ],
    references: foreignKeys.map((foreignKey) => {
      const { columns, foreignTable, foreignColumns } = foreignKey.reference()
      const to = is(foreignTable, PgTable) ? getPgTable(foreignTable).name : getSqliteTable(foreignTable).name
      const names = (list: Array<{ name: string }>) => list.map(({ name }) => name)
      return { name: foreignKey.getName(), columns: names(columns), to, toColumns: names(foreignColumns) }
    })
  }
}

function toSql (column: object): SQL {
  return is(column, SQL) ? column : sql`${sql.identifier((column as { name: string }).name)}`
}
