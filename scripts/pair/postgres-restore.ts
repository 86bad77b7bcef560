import { createInterface } from 'node:readline'
import { Readable } from 'node:stream'
import pg from 'pg'
import { checkCount, readPieces } from './files.ts'
import type { Manifest, Part } from './manifest.ts'
import { listColumns, listTables } from './postgres.ts'

const BATCH = 500
const BATCH_CHARACTERS = 1_000_000

/** True when no table has rows; what the service writes about itself does not count. */
export async function isPostgresEmpty (client: pg.Client): Promise<boolean> {
  for (const name of await listTables(client)) {
    if (name === 'fence' || name === 'change_streams') continue
    const { rowCount } = await client.query(`SELECT 1 FROM public.${pg.escapeIdentifier(name)} LIMIT 1`)
    if (rowCount !== 0) return false
  }
  return true
}

/**
 * Puts the tables of a backup in the place of what is there, in the caller's transaction. Triggers are off: what they
 * once wrote is in the backup.
 */
export async function loadPostgres (
  client: pg.Client,
  folder: string,
  { sql, sequences }: Manifest,
  say: (line: string) => void
): Promise<void> {
  const tables = (await listTables(client)).map((name) => `public.${pg.escapeIdentifier(name)}`)
  for (const table of tables) await client.query(`ALTER TABLE ${table} DISABLE TRIGGER USER`)
  await client.query(`TRUNCATE ${tables.join(', ')}`)
  for (const part of sql) {
    await loadTable(client, folder, part)
    say(`${part.name}: ${part.records} rows`)
  }
  for (const { name, value, is_called } of sequences) {
    await client.query('SELECT setval($1::regclass, $2::bigint, $3)', [
      `public.${pg.escapeIdentifier(name)}`,
      value,
      is_called
    ])
  }
  // The constraints are checked at COMMIT where they are deferred; triggers cannot be turned on while they wait.
  await client.query('SET CONSTRAINTS ALL IMMEDIATE')
  for (const table of tables) await client.query(`ALTER TABLE ${table} ENABLE TRIGGER USER`)
}

async function loadTable (client: pg.Client, folder: string, part: Part): Promise<void> {
  const types = new Map((await listColumns(client, part.name)).map(({ name, type }) => [name, type]))
  const columns = part.columns ?? []
  const values = columns.map((column, at) => `(v ->> ${at})::${types.get(column) ?? 'text'}`)
  const insert = `INSERT INTO public.${pg.escapeIdentifier(part.name)} (${columns.map(pg.escapeIdentifier).join(', ')})
    OVERRIDING SYSTEM VALUE SELECT ${values.join(', ')} FROM json_array_elements($1::json) AS v`
  let count = 0
  let lines: string[] = []
  let length = 0
  const flush = async () => {
    if (lines.length > 0) await client.query(insert, [`[${lines.join(',')}]`])
    count += lines.length
    lines = []
    length = 0
  }
  for await (
    const line of createInterface({ input: Readable.from(readPieces(folder, part.file)), crlfDelay: Infinity })
  ) {
    lines.push(line)
    length += line.length
    if (lines.length >= BATCH || length >= BATCH_CHARACTERS) await flush()
  }
  await flush()
  checkCount(part, count)
}
