import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, readdirSync, renameSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { Type, type Static } from '@sinclair/typebox'
import { Value } from '@sinclair/typebox/value'
import { BackupError } from './errors.ts'

const Count = Type.Integer({ minimum: 0 })
const PartSchema = Type.Object({
  /** Name inside the folder. */
  file: Type.String({ pattern: '^[^/\\\\]+$' }),
  /** Table or collection; of an SQLite file, the whole database. */
  name: Type.String(),
  /** Columns in the order of the values of a line; PostgreSQL only. */
  columns: Type.Optional(Type.Array(Type.String())),
  records: Count,
  bytes: Count,
  sha256: Type.String({ pattern: '^[0-9a-f]{64}$' })
})

const ManifestSchema = Type.Object({
  format: Type.Literal(1),
  engine: Type.Union([Type.Literal('postgres'), Type.Literal('sqlite')]),
  /** The fence at which both stores were read. */
  pair: Type.String(),
  epoch: Count,
  counter: Count,
  begun_at: Type.String(),
  /** Whatever was acknowledged before this moment is in the backup. */
  fence_at: Type.String(),
  ended_at: Type.String(),
  versions: Type.Object({ sql: Type.String(), mongodb: Type.String() }),
  migrations: Type.Array(Type.Object({ when: Type.Integer(), hash: Type.String() })),
  sequences: Type.Array(Type.Object({ name: Type.String(), value: Type.String(), is_called: Type.Boolean() })),
  sql: Type.Array(PartSchema),
  mongodb: Type.Array(PartSchema)
})

export type Part = Static<typeof PartSchema>
export type Manifest = Static<typeof ManifestSchema>

const NAME = 'manifest.json'

/** Makes the folder of a new backup. @throws BackupError where something is in it */
export function makeFolder (folder: string): void {
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  if (readdirSync(folder).length === 0) return
  throw new BackupError(`${folder} is not empty: name a new folder for each backup`)
}

/** Ends a backup: without its manifest it is none. */
export function writeManifest (folder: string, manifest: Manifest): void {
  const text = JSON.stringify(manifest, undefined, 2)
  const file = path.join(folder, NAME)
  writeFileSync(`${file}.part`, `${JSON.stringify({ sha256: sha256(text), manifest }, undefined, 2)}\n`, {
    mode: 0o600,
    flush: true
  })
  renameSync(`${file}.part`, file)
}

/**
 * Reads what a folder holds.
 * @throws BackupError when it holds no backup, or one that was edited or comes from another version
 */
export function readManifest (folder: string): Manifest {
  const file = path.join(folder, NAME)
  if (!existsSync(file)) {
    throw new BackupError(
      `${folder} has no ${NAME}, so it is no backup, or one that was not finished: name another folder`
    )
  }
  const found = parse(readFileSync(file, 'utf8'))
  if (!Value.Check(Type.Object({ sha256: Type.String(), manifest: ManifestSchema }), found)) {
    throw new BackupError(
      `${file} is no manifest that this version understands: restore it with the version that wrote it`
    )
  }
  if (sha256(JSON.stringify(found.manifest, undefined, 2)) !== found.sha256) {
    throw new BackupError(`${file} does not match its own checksum: it was edited or damaged; use another backup`)
  }
  return found.manifest
}

function parse (text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function sha256 (text: string): string {
  return createHash('sha256').update(text).digest('hex')
}
