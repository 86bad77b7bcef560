import { createHash } from 'node:crypto'
import { createReadStream, createWriteStream, existsSync } from 'node:fs'
import { open, stat } from 'node:fs/promises'
import path from 'node:path'
import { Readable, Transform } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { constants, createGunzip, createGzip } from 'node:zlib'
import { BackupError } from './errors.ts'
import type { Part } from './manifest.ts'

/**
 * Writes records into a compressed file, one after the other; memory holds a few of them.
 * @param records pieces of the file, each a whole number of records
 * @returns size and checksum of the file, as the manifest has them
 */
export async function writeRecords (
  folder: string,
  file: string,
  records: AsyncIterable<{ bytes: Buffer; count: number }>
): Promise<Pick<Part, 'file' | 'records' | 'bytes' | 'sha256'>> {
  let count = 0
  async function* pieces () {
    for await (const piece of records) {
      count += piece.count
      yield piece.bytes
    }
  }
  const hash = createHash('sha256')
  let bytes = 0
  const measure = new Transform({
    transform (chunk: Buffer, _encoding, done) {
      hash.update(chunk)
      bytes += chunk.length
      done(null, chunk)
    }
  })
  const target = path.join(folder, file)
  await pipeline(
    Readable.from(pieces(), { objectMode: false }),
    createGzip({ level: constants.Z_BEST_SPEED }),
    measure,
    createWriteStream(target, { mode: 0o600, flags: 'wx' })
  )
  await sync(target)
  return { file, records: count, bytes, sha256: hash.digest('hex') }
}

/** Size and checksum of a file that is there. */
export async function measureFile (file: string): Promise<Pick<Part, 'bytes' | 'sha256'>> {
  const hash = createHash('sha256')
  for await (const chunk of createReadStream(file)) hash.update(chunk as Buffer)
  return { bytes: (await stat(file)).size, sha256: hash.digest('hex') }
}

/** @throws BackupError when a file of a backup is missing or is another than the one that was written */
export async function checkFile (folder: string, { file, bytes, sha256 }: Part): Promise<void> {
  const target = path.join(folder, file)
  if (!existsSync(target)) throw new BackupError(`${target} is missing: this backup is not whole, use another`)
  const found = await measureFile(target)
  if (found.bytes === bytes && found.sha256 === sha256) return
  throw new BackupError(`${target} does not match the manifest: it was edited or damaged; use another backup`)
}

/** The content of a compressed file, in pieces of any size. */
export function readPieces (folder: string, file: string): AsyncIterable<Buffer> {
  const source = createReadStream(path.join(folder, file))
  const unzipped = createGunzip()
  source.on('error', (error) => unzipped.destroy(error))
  return source.pipe(unzipped)
}

/** Waits until a file is on the disk. */
export async function sync (file: string): Promise<void> {
  const handle = await open(file, 'r+')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/** @throws BackupError when not as many records were brought back as were written */
export function checkCount ({ name, records }: Part, found: number): void {
  if (found !== records) {
    throw new BackupError(
      `${name}: the manifest names ${records} records and the file holds ${found}; use another backup`
    )
  }
}
