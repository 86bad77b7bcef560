import { chmodSync, cpSync, existsSync, lstatSync, mkdirSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { cacheFolder } from '../system/cache.ts'
import { isReachable } from './account.ts'
import type { Progress } from '../types.ts'

/**
 * Root has to run PostgreSQL under another account, and that account cannot read a checkout below root's own closed
 * home. So the package's binaries (60 MB) are copied once to where everybody can read them. Returns the copy.
 */
export function readableCopy (native: string, version: string, onProgress: Progress): string {
  const place = choosePlace()
  const copy = path.join(place, `postgres-${version}-${process.arch}`)
  if (existsSync(copy)) return copy
  onProgress(`Copying PostgreSQL to ${copy}, where the account it runs under can read it (once)`)
  const part = `${copy}.part-${process.pid}`
  mkdirSync(place, { recursive: true })
  chmodSync(place, 0o755)
  cpSync(native, part, { recursive: true, filter: (file) => !lstatSync(file).isSymbolicLink() })
  openUp(part)
  // Whoever renames first wins; the other start uses that copy.
  try {
    renameSync(part, copy)
  } catch {
    rmSync(part, { recursive: true, force: true })
  }
  return copy
}

/**
 * The user's cache if others may enter it, else the system's, else a folder for temporary files. Never a folder
 * somebody else could have filled.
 */
function choosePlace (): string {
  const places = [
    cacheFolder() ?? '/var/cache/tandem',
    '/var/cache/tandem',
    path.join(os.tmpdir(), `tandem-${process.getuid?.() ?? 0}`)
  ]
  return places.find((place) => isReachable(place) && isOurs(place)) ?? '/var/cache/tandem'
}

function isOurs (place: string): boolean {
  const stat = statSync(place, { throwIfNoEntry: false })
  return stat === undefined || (stat.uid === process.getuid?.() && (stat.mode & 0o022) === 0)
}

function openUp (file: string): void {
  const isFolder = lstatSync(file).isDirectory()
  chmodSync(file, isFolder || (lstatSync(file).mode & 0o100) !== 0 ? 0o755 : 0o644)
  if (isFolder) { for (const name of readdirSync(file)) openUp(path.join(file, name)) }
}
