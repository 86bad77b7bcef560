import pg from 'pg'
import { SessionClient } from '../../plugins/sql/postgres/session-settings.ts'
import { BackupError } from './errors.ts'
import { writeRecords } from './files.ts'
import type { Manifest, Part } from './manifest.ts'

const FETCHED = 200

/** A connection of its own, whose values are written the same way on every server. */
export async function connectPostgres (url: string, application_name: string): Promise<pg.Client> {
  const client = new SessionClient({ connectionString: url, application_name, connectionTimeoutMillis: 10_000 })
  client.on('error', () => {}) // a lost connection also fails the statement that is waiting for it
  await client.connect()
  return client
}

/** Tables of the schema public, those that others refer to first. */
export async function listTables (client: pg.Client): Promise<string[]> {
  const { rows } = await client.query<{ name: string; needs: string[] }>(
    `SELECT t.relname AS name, ARRAY(SELECT DISTINCT r.relname::text FROM pg_constraint AS c JOIN pg_class AS r ON r.oid = c.confrelid
       WHERE c.conrelid = t.oid AND c.contype = 'f' AND r.oid <> t.oid) AS needs
     FROM pg_class AS t WHERE t.relnamespace = 'public'::regnamespace AND t.relkind IN ('r', 'p') AND NOT t.relispartition ORDER BY 1`
  )
  const ordered: string[] = []
  for (let left = rows; left.length > 0;) {
    const free = left.filter(({ needs }) => needs.every((need) => !left.some(({ name }) => name === need)))
    const next = free.length > 0 ? free : left // tables that refer to each other in a circle
    ordered.push(...next.map(({ name }) => name))
    left = left.filter((table) => !next.includes(table))
  }
  return ordered
}

/** Where each sequence has come. What it says may be newer than the rows, never older. */
export async function readSequences (client: pg.Client): Promise<Manifest['sequences']> {
  const { rows } = await client.query<{ name: string }>(
    "SELECT relname AS name FROM pg_class WHERE relkind = 'S' AND relnamespace = 'public'::regnamespace ORDER BY 1"
  )
  const found: Manifest['sequences'] = []
  for (const { name } of rows) {
    const { rows: [state] } = await client.query<{ value: string; is_called: boolean }>(
      `SELECT last_value::text AS value, is_called FROM public.${pg.escapeIdentifier(name)}`
    )
    if (state !== undefined) found.push({ name, ...state })
  }
  return found
}

/** Columns that are stored, with their types as a cast names them. */
export async function listColumns (client: pg.Client, table: string): Promise<Array<{ name: string; type: string }>> {
  const { rows } = await client.query<{ name: string; type: string }>(
    `SELECT attname AS name, format_type(atttypid, atttypmod) AS type FROM pg_attribute
     WHERE attrelid = $1::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = '' ORDER BY attnum`,
    [`public.${pg.escapeIdentifier(table)}`]
  )
  return rows
}

/**
 * Writes every table of the client's snapshot, a file each. Values are in PostgreSQL's own text form, as COPY has them.
 */
export async function dumpPostgres (client: pg.Client, folder: string, say: (line: string) => void): Promise<Part[]> {
  const parts: Part[] = []
  for (const name of await listTables(client)) {
    const columns = (await listColumns(client, name)).map((column) => column.name)
    const written = await writeRecords(
      folder,
      `sql.${encodeURIComponent(name)}.jsonl.gz`,
      rowsOf(client, name, columns)
    )
    parts.push({ name, columns, ...written })
    say(`${name}: ${written.records} rows`)
  }
  return parts
}

async function* rowsOf (client: pg.Client, table: string, columns: string[]) {
  const values = columns.map((column) => `${pg.escapeIdentifier(column)}::text`).join(', ')
  await client.query(
    `DECLARE backup NO SCROLL CURSOR FOR SELECT json_build_array(${values})::text AS line FROM public.${
      pg.escapeIdentifier(table)
    }`
  )
  for (;;) {
    const { rows } = await client.query<{ line: string }>(`FETCH ${FETCHED} FROM backup`)
    if (rows.length === 0) break
    yield { bytes: Buffer.from(`${rows.map(({ line }) => line).join('\n')}\n`), count: rows.length }
  }
  await client.query('CLOSE backup')
}

/** @throws BackupError while a process of the service uses the database, as far as sessions and the lease on the change stream tell */
export async function refuseRunning (client: pg.Client): Promise<void> {
  const { rowCount } = await client.query(
    "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'tandem%' LIMIT 1"
  )
  if (rowCount === 0 && !await isFollowed(client)) return
  throw new BackupError(
    'The service uses the SQL database: stop every process of it, then restore again; one that was killed is noticed for some seconds'
  )
}

async function isFollowed (client: pg.Client): Promise<boolean> {
  if (!(await listTables(client)).includes('change_streams')) return false
  return (await client.query('SELECT 1 FROM public.change_streams WHERE leader_until > now()')).rowCount !== 0
}
