import { ChangeStreamError } from '../errors.ts'

/**
 * The definition of the table of positions, for a migration of yours. Running it again changes nothing.
 * @param dialect the database it is for
 * @param table its name, with schema if need be; default `change_streams`
 */
export function changeStreamSql (dialect: 'postgres' | 'sqlite', table = 'change_streams'): string {
  if (dialect !== 'postgres' && dialect !== 'sqlite') {
    throw new ChangeStreamError(
      'CHANGE_STREAM_USAGE',
      "changeStreamSql needs the name of a dialect: 'postgres' or 'sqlite'"
    )
  }
  checkTable(table)
  const isPostgres = dialect === 'postgres'
  const time = isPostgres ? 'timestamptz' : 'text'
  return `CREATE TABLE IF NOT EXISTS ${table} (
  stream text PRIMARY KEY,
  token ${isPostgres ? 'jsonb' : 'text'},
  cluster_time ${time},
  updated_at ${time} NOT NULL DEFAULT ${isPostgres ? 'now()' : "(strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))"},
  resyncs integer NOT NULL DEFAULT 0,
  leader text,
  leader_since ${time},
  leader_until ${time}
);`
}

/** Refuses, at once and not at the first statement, what is no pool of pg. */
export function checkPool (pool: unknown): void {
  const { connect, query, getTransactionStatus } = Object(pool) as Record<string, unknown>
  if (getTransactionStatus !== undefined) {
    throw new ChangeStreamError(
      'CHANGE_STREAM_USAGE',
      'postgresStore needs a pg.Pool, not a client of pg: each stream takes connections of its own'
    )
  }
  if (typeof connect === 'function' && typeof query === 'function') return
  throw new ChangeStreamError(
    'CHANGE_STREAM_USAGE',
    'postgresStore needs a pg.Pool, such as new pg.Pool({ connectionString }): something with connect() and query()'
  )
}

/** Refuses what cannot run a transaction. */
export function checkTransaction (transaction: unknown): void {
  if (typeof transaction === 'function') return
  throw new ChangeStreamError(
    'CHANGE_STREAM_USAGE',
    'sqliteStore needs a function that runs another one in a transaction'
  )
}

/** Refuses anything but a plain table name, because it goes into SQL text. */
export function checkTable (table: string): void {
  if (!/^[a-z_][a-z0-9_]*(\.[a-z_][a-z0-9_]*)?$/i.test(table)) {
    throw new ChangeStreamError(
      'CHANGE_STREAM_USAGE',
      `'${table}' is no table name: letters, digits and _ only, with one dot for a schema`
    )
  }
}
