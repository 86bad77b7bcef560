import { createHash } from 'node:crypto'
import { closeSync, openSync, readFileSync, readSync, statSync, writeFileSync } from 'node:fs'

const AT_ONCE = 1 << 20

/** SHA-256 of a file, in hexadecimal digits. */
export function getChecksum (file: string): string {
  const hash = createHash('sha256')
  const buffer = Buffer.allocUnsafe(AT_ONCE)
  const descriptor = openSync(file, 'r')
  try {
    for (let read = readSync(descriptor, buffer); read > 0; read = readSync(descriptor, buffer)) {
      hash.update(buffer.subarray(0, read))
    }
  } finally {
    closeSync(descriptor)
  }
  return hash.digest('hex')
}

/** Writes down the checksum of a file that was just fetched, beside it. */
export function storeChecksum (file: string): void {
  writeFileSync(`${file}.sha256`, `${getChecksum(file)}\n`)
}

/**
 * What is wrong with a file of a cache, which a program is about to be started from; undefined where it is the one that
 * was stored, and nobody else could have changed it.
 * @param expected its checksum where that is known; otherwise the one stored beside it counts
 */
export function findTampering (file: string, expected = readChecksum(file)): string | undefined {
  const { mode, uid } = statSync(file)
  const isOthers = process.getuid !== undefined && uid !== process.getuid() && uid !== 0
  if (isOthers || (process.platform !== 'win32' && (mode & 0o022) !== 0)) return 'can be changed by another user'
  if (expected === undefined) return 'has no checksum beside it'
  return getChecksum(file) === expected ? undefined : 'is not the file that was stored there'
}

function readChecksum (file: string): string | undefined {
  try {
    return readFileSync(`${file}.sha256`, 'utf8').trim()
  } catch {
    return undefined
  }
}
