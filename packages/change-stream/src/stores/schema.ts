import { ChangeStreamError } from '../errors.ts'

/**
 * The definition of the table of positions, for a migration of yours. Running it again changes nothing.
 * @param dialect the database it is for
 * @param table its name, with schema if need be; default `change_streams`
 */
export function changeStreamSql (dialect: 'postgres' | 'sqlite', table = 'change_streams'): string {
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

/** Refuses anything but a plain table name, because it goes into SQL text. */
export function checkTable (table: string): void {
  if (!/^[a-z_][a-z0-9_]*(\.[a-z_][a-z0-9_]*)?$/i.test(table)) {
    throw new ChangeStreamError(
      'CHANGE_STREAM_USAGE',
      `'${table}' is no table name: letters, digits and _ only, with one dot for a schema`
    )
  }
}
