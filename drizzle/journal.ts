import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import path from 'node:path'

/** A migration file. */
export interface Migration {
  /** Its name, for example `0001_user_events`. */
  tag: string
  /** Its place in time, in milliseconds; what the database remembers it by. */
  when: number
  /** SHA-256 of its text, with Unix line ends. */
  hash: string
  /** Hashes of files that stood in its place and made the same; a database that ran one of them needs nothing more. */
  replaces: string[]
  /** Runs step by step beside the service, in PostgreSQL: the file begins with `-- online`. */
  isOnline: boolean
  statements: string[]
}

/** What a database remembers of a migration. */
export interface Applied {
  when: number
  hash: string
}

/** A migration cannot or must not run. The message is one line: what is wrong and what to do. */
export class MigrationError extends Error {
  readonly code: string

  constructor (code: string, message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'MigrationError'
    this.code = code
  }
}

const ONLINE = /^-- online\b/
const REPLACES = /^-- replaces ([0-9a-f]{64})$/gm

/**
 * The error of a migration that the database refused.
 * @param state what was changed all the same, in words
 * @param error what the driver threw; of its message only the first line is told
 */
export function toFailure (tag: string, state: string, error: unknown): MigrationError {
  const reason = error instanceof Error ? error.message.split('\n')[0] : String(error)
  return new MigrationError('MIGRATION_FAILED', `Migration ${tag} failed, ${state}: ${reason}`, { cause: error })
}

/**
 * The migrations of a folder that drizzle-kit writes, oldest first.
 * @param folder for example `drizzle/migrations/postgres`
 * @returns every migration of its journal
 * @throws MigrationError when the journal is not in the order of time: the later file would never run
 */
export function readMigrations (folder: string): Migration[] {
  const journal = JSON.parse(readFileSync(path.join(folder, 'meta', '_journal.json'), 'utf8')) as {
    entries: Array<{ tag: string; when: number }>
  }
  const migrations = journal.entries.map(({ tag, when }) => readMigration(folder, tag, when))
  for (const [at, { tag, when }] of migrations.entries()) {
    const before = migrations[at - 1]
    if (before !== undefined && when <= before.when) {
      throw new MigrationError(
        'MIGRATION_ORDER',
        `Migration ${tag} stands after ${before.tag} but is not newer: delete it and generate it again`
      )
    }
  }
  return migrations
}

function readMigration (folder: string, tag: string, when: number): Migration {
  const text = readFileSync(path.join(folder, `${tag}.sql`), 'utf8').replaceAll('\r\n', '\n')
  const hash = createHash('sha256').update(text).digest('hex')
  const replaces = [...text.matchAll(REPLACES)].map(([, earlier = '']) => earlier)
  return { tag, when, hash, replaces, isOnline: ONLINE.test(text), statements: text.split('--> statement-breakpoint') }
}

/**
 * Compares the files with what a database remembers.
 * @param migrations all files, oldest first
 * @param applied what the database has
 * @returns the files that are still to run, oldest first
 * @throws MigrationError when a file was edited after it ran, when the database is ahead of the code, or when a file is
 * older than one that already ran
 */
export function findPending (migrations: Migration[], applied: Applied[]): Migration[] {
  const known = new Map(migrations.map((migration) => [migration.when, migration]))
  const newest = Math.max(...applied.map(({ when }) => when), -1)
  for (const { when, hash } of applied) {
    const file = known.get(when)
    if (file === undefined) throw unknown(applied, migrations)
    if (file.hash !== hash && !file.replaces.includes(hash)) {
      throw new MigrationError(
        'MIGRATION_EDITED',
        `Migration ${file.tag} was edited after it had run: restore the file and put the change into a new migration`
      )
    }
  }
  const done = new Set(applied.map(({ when }) => when))
  const pending = migrations.filter(({ when }) => !done.has(when))
  const late = pending.find(({ when }) => when < newest)
  if (late !== undefined) {
    throw new MigrationError(
      'MIGRATION_LATE',
      `Migration ${late.tag} is older than ${
        known.get(newest)?.tag ?? 'one'
      }, which has already run here: delete it and generate it again`
    )
  }
  return pending
}

function unknown (applied: Applied[], migrations: Migration[]): MigrationError {
  const known = new Set(migrations.map(({ when }) => when))
  const whens = applied.map(({ when }) => when).filter((when) => !known.has(when))
  const them = whens.length === 1 ? 'it' : 'them'
  // The database keeps no names; the journal of the version that made them does, beside the same number.
  const which = whens.map((when) => `"when": ${when}`).join(', ')
  return new MigrationError(
    'MIGRATION_AHEAD',
    `The database has ${whens.length} migration${
      whens.length === 1 ? '' : 's'
    } that this code does not know (${which}): start the version of the code that made ${them}; where npm start has made the database for another branch, remove .data`
  )
}
