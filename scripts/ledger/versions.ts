import { cpSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'

const TABLE = /pgTable\('users', \{\n/

const EXPAND = ['9001_expand', 'ALTER TABLE "users" ADD COLUMN "nickname" text;'] as const
const CONTRACT = ['9002_contract', 'ALTER TABLE "users" DROP COLUMN "nickname";'] as const

/** A version of the service: the file to start, and the folder of its migrations. */
export interface Version {
  server: string
  migrations: string
}

/**
 * Makes the versions through which a column comes and goes: one that knows a migration which adds it, and reads and
 * writes it; one that leaves it alone again; one that knows the migration which drops it.
 * @param server the compiled service; their folders are made beside its own
 */
export function makeVersions (server: string): [Version, Version, Version] {
  return [
    makeVersion(server, 'v2', [EXPAND], true),
    makeVersion(server, 'v3', [EXPAND], false),
    makeVersion(server, 'v4', [EXPAND, CONTRACT], false)
  ]
}

function makeVersion (
  server: string,
  name: string,
  added: Array<readonly [string, string]>,
  usesColumn: boolean
): Version {
  const folder = path.join(path.dirname(server), '..', name)
  cpSync(path.dirname(server), folder, { recursive: true })
  const migrations = path.join(folder, 'drizzle', 'migrations', 'postgres')
  addMigrations(migrations, added)
  if (usesColumn) addColumn(path.join(folder, 'drizzle', 'postgres.js'))
  return { server: path.join(folder, path.basename(server)), migrations }
}

function addMigrations (folder: string, added: Array<readonly [string, string]>): void {
  const file = path.join(folder, 'meta', '_journal.json')
  const journal = JSON.parse(readFileSync(file, 'utf8')) as { entries: Array<{ idx: number; when: number }> }
  for (const [tag, text] of added) {
    const last = journal.entries.at(-1) ?? { idx: -1, when: 0 }
    journal.entries.push(Object.assign({ ...last, tag }, { idx: last.idx + 1, when: last.when + 1 }))
    writeFileSync(path.join(folder, `${tag}.sql`), `${text}\n`)
  }
  writeFileSync(file, JSON.stringify(journal))
}

function addColumn (file: string): void {
  const text = readFileSync(file, 'utf8')
  if (!TABLE.test(text)) throw new Error(`${file}: the table of users is written in another way`)
  writeFileSync(file, text.replace(TABLE, (start) => `${start}    nickname: text(),\n`))
}
