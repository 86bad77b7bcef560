import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'
import type * as DrizzleKit from 'drizzle-kit/api'
import { readMigrations } from './journal.ts'
import * as postgres from './postgres.ts'
import * as postgresOnly from './postgres-only.ts'
import * as sqlite from './sqlite.ts'

// drizzle-kit is a tool of development; its api has no form that can be imported.
const kit = createRequire(import.meta.url)('drizzle-kit/api') as typeof DrizzleKit
const NO_SNAPSHOT = '00000000-0000-0000-0000-000000000000'

/**
 * What the tables of the code have and the migrations do not make.
 * @param options `folder`: where the migrations are, default this one's `migrations`; `tables`: other tables than ours
 * @returns SQL statements per dialect that a new migration would hold; empty when nothing is missing
 * @throws MigrationError when a journal is not in the order of time
 */
export async function findDrift (
  {
    folder = path.join(import.meta.dirname, 'migrations'),
    tables = { postgres: { ...postgres, ...postgresOnly } as object, sqlite: sqlite as object }
  } = {}
): Promise<Record<'postgres' | 'sqlite', string[]>> {
  return {
    postgres: await kit.generateMigration(
      lastSnapshot<Parameters<typeof kit.generateMigration>[0]>(path.join(folder, 'postgres')),
      kit.generateDrizzleJson({ ...tables.postgres }, NO_SNAPSHOT)
    ),
    sqlite: await kit.generateSQLiteMigration(
      lastSnapshot<Parameters<typeof kit.generateSQLiteMigration>[0]>(path.join(folder, 'sqlite')),
      await kit.generateSQLiteDrizzleJson({ ...tables.sqlite }, NO_SNAPSHOT)
    )
  }
}

function lastSnapshot<Snapshot> (folder: string): Snapshot {
  const newest = readMigrations(folder).at(-1)?.tag ?? ''
  const name = `${newest.slice(0, newest.indexOf('_'))}_snapshot.json`
  return JSON.parse(readFileSync(path.join(folder, 'meta', name), 'utf8')) as Snapshot
}
