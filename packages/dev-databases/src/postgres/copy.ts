import {
  chmodSync,
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync
} from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { cacheFolder } from '../system/cache.ts'
import { getChecksum } from '../system/checksum.ts'
import { isReachable } from './account.ts'
import type { Progress } from '../types.ts'

/**
 * Root has to run PostgreSQL under another account, and that account cannot read a checkout below root's own closed
 * home. So the package's binaries (60 MB) are copied once to where everybody can read them. Returns the copy.
 */
export function readableCopy (native: string, version: string, onProgress: Progress): string {
  const place = choosePlace()
  const copy = path.join(place, `postgres-${version}-${process.arch}`)
  if (existsSync(copy) && isSame(native, copy)) return copy
  rmSync(copy, { recursive: true, force: true })
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

/** Each file is the package's, and there is no other but the links to its libraries. */
function isSame (native: string, copy: string): boolean {
  const wanted = listFiles(native)
  const found = listFiles(copy).filter((name) => path.dirname(name) !== 'links')
  const links = existsSync(path.join(copy, 'links')) ? readdirSync(path.join(copy, 'links')) : []
  return found.join('\n') === wanted.join('\n') &&
    wanted.every((name) => getChecksum(path.join(native, name)) === getChecksum(path.join(copy, name))) &&
    links.every((name) => isLinkInto(path.join(copy, 'links', name), path.join(copy, 'lib')))
}

function listFiles (folder: string): string[] {
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true })
  return entries.filter((entry) => entry.isFile()).map((entry) =>
    path.relative(folder, path.join(entry.parentPath, entry.name))
  ).sort()
}

function isLinkInto (link: string, folder: string): boolean {
  return lstatSync(link).isSymbolicLink() && path.dirname(readlinkSync(link)) === folder
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
