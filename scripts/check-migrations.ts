// Fails when the tables of drizzle/ differ from what the migrations make.
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { generateDrizzleJson, generateMigration, generateSQLiteDrizzleJson, generateSQLiteMigration } from 'drizzle-kit/api'
import { readMigrations } from '../drizzle/journal.ts'
import * as postgres from '../drizzle/postgres.ts'
import * as sqlite from '../drizzle/sqlite.ts'

const root = path.join(import.meta.dirname, '..', 'drizzle', 'migrations')

const last = lastSnapshot('postgres')
report('postgres', await generateMigration(last, generateDrizzleJson(postgres, last.id)))
const lastSqlite = lastSnapshot('sqlite')
report('sqlite', await generateSQLiteMigration(lastSqlite, await generateSQLiteDrizzleJson(sqlite, lastSqlite.id)))
process.exit()

function lastSnapshot (dialect: 'postgres' | 'sqlite') {
  const folder = path.join(root, dialect)
  // Also refuses a journal that is not in the order of time.
  const tag = readMigrations(folder).at(-1)?.tag ?? ''
  const file = path.join(folder, 'meta', `${tag.split('_')[0] ?? ''}_snapshot.json`)
  return JSON.parse(readFileSync(file, 'utf8'))
}

function report (dialect: string, statements: string[]): void {
  if (statements.length === 0) return
  console.error(`drizzle/${dialect}.ts differs from its migrations: run npm run db:generate and commit what it writes`)
  for (const statement of statements) console.error(statement)
  process.exitCode = 1
}
