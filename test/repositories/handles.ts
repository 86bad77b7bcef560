import { drizzle } from 'drizzle-orm/node-postgres'
import pg from 'pg'
import type { Test } from 'tap'
import { schema, type Database } from '../../drizzle/index.ts'
import { memoryDatabase } from '../../plugins/sql/sqlite/open.ts'
import { databases } from '../helper.ts'

/** A statement as it went to the database. */
export interface Sent {
  name: string | undefined
  text: string
  values: unknown[]
}

/** A migrated, empty database with everything that is sent to it. */
export interface Handle {
  kind: 'postgres' | 'sqlite'
  db: Database
  sent: Sent[]
}

/** An empty database of each kind of handle that repositories run on. */
export async function handles (t: Test): Promise<Handle[]> {
  return [await postgresHandle(t), await sqliteHandle()]
}

/** PostgreSQL through a pool of node-postgres. */
export async function postgresHandle (t: Test): Promise<Handle & { pool: pg.Pool }> {
  const { databaseUrl } = await databases(t)
  const pool = new pg.Pool({ connectionString: databaseUrl, max: 3 })
  t.teardown(() => pool.end())
  const sent: Sent[] = []
  pool.on('connect', (client) => {
    record(client, sent)
  })
  return { kind: 'postgres', db: drizzle(pool, { schema }), sent, pool }
}

/** The service's own handle of SQLite. */
async function sqliteHandle (): Promise<Handle> {
  const db = await memoryDatabase()
  const sent: Sent[] = []
  record((db as unknown as { $client: Recorded }).$client, sent)
  return { kind: 'sqlite', db, sent }
}

type Query = (...args: unknown[]) => unknown
interface Recorded {
  query: unknown
}

function record (client: Recorded, sent: Sent[]): void {
  const query = (client.query as Query).bind(client)
  client.query = (
    config: { name?: string; text?: string; values?: unknown[] } | string,
    values?: unknown[],
    ...rest: unknown[]
  ) => {
    const { name, text } = typeof config === 'string' ? { name: undefined, text: config } : config
    sent.push({ name, text: text ?? '', values: Array.isArray(values) ? values : [] })
    return query(config, values, ...rest)
  }
}
