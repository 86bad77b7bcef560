import { BSON, type ClientSession, type Db, type Document } from 'mongodb'
import { checkCount, readPieces, writeRecords } from './files.ts'
import type { Part } from './manifest.ts'

const PIECE_BYTES = 1_000_000
const BATCH = 1000
const BATCH_BYTES = 8_000_000

/** How far a comparison has come says nothing of stores that were brought back. */
const PASSING = 'copy_progress'

/** Collections that hold documents of their own. */
async function listCollections (db: Db): Promise<string[]> {
  const found = await db.listCollections({ type: 'collection' }, { nameOnly: true }).toArray()
  return found.map(({ name }) => name).filter((name) => !name.startsWith('system.') && name !== PASSING).toSorted()
}

/**
 * Writes every collection as the session's snapshot has it; the files are like mongodump's, to the byte of each
 * document.
 */
export async function dumpMongo (
  db: Db,
  session: ClientSession,
  folder: string,
  say: (line: string) => void
): Promise<Part[]> {
  const parts: Part[] = []
  for (const name of await listCollections(db)) {
    const written = await writeRecords(folder, `${encodeURIComponent(name)}.bson.gz`, documentsOf(db, session, name))
    parts.push({ name, ...written })
    say(`${name}: ${written.records} documents`)
  }
  return parts
}

async function* documentsOf (db: Db, session: ClientSession, name: string) {
  let pieces: Uint8Array[] = []
  let length = 0
  for await (const document of db.collection(name).find({}, { session, raw: true, batchSize: BATCH })) {
    const bytes = document as unknown as Uint8Array // what `raw` makes of the result
    pieces.push(bytes)
    length += bytes.length
    if (length < PIECE_BYTES) continue
    yield { bytes: Buffer.concat(pieces), count: pieces.length }
    pieces = []
    length = 0
  }
  if (pieces.length > 0) yield { bytes: Buffer.concat(pieces), count: pieces.length }
}

/** True when no collection has documents; the fence, which the service writes about itself, does not count. */
export async function isMongoEmpty (db: Db): Promise<boolean> {
  for (const name of await listCollections(db)) {
    if (name !== 'fence' && await db.collection(name).findOne({}) !== null) return false
  }
  return true
}

/** Puts the collections of a backup in the place of what is there. The fence stays as it is. */
export async function loadMongo (db: Db, folder: string, parts: Part[], say: (line: string) => void): Promise<void> {
  for (const name of await listCollections(db)) if (name !== 'fence') await db.dropCollection(name)
  for (const part of parts) {
    if (part.name === 'fence') continue
    await loadCollection(db, folder, part)
    say(`${part.name}: ${part.records} documents`)
  }
}

/** Brings the fence back as it was: for a store that is restored alone. */
export async function restoreFence (db: Db, folder: string, parts: Part[]): Promise<void> {
  await db.collection('fence').deleteMany({})
  for (const part of parts) if (part.name === 'fence') await loadCollection(db, folder, part)
}

async function loadCollection (db: Db, folder: string, part: Part): Promise<void> {
  let count = 0
  let documents: Document[] = []
  let length = 0
  const flush = async () => {
    if (documents.length > 0) await db.collection(part.name).insertMany(documents, { ordered: false })
    count += documents.length
    documents = []
    length = 0
  }
  for await (const bytes of splitDocuments(readPieces(folder, part.file))) {
    // Every value keeps the type that it had: 5 and 5.0 are two things to MongoDB.
    documents.push(BSON.deserialize(bytes, { promoteValues: false, bsonRegExp: true }))
    length += bytes.length
    if (documents.length >= BATCH || length >= BATCH_BYTES) await flush()
  }
  await flush()
  checkCount(part, count)
}

/** Each document begins with its length. */
async function* splitDocuments (pieces: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let rest: Buffer = Buffer.alloc(0)
  for await (const piece of pieces) {
    rest = rest.length === 0 ? piece : Buffer.concat([rest, piece])
    let at = 0
    while (rest.length - at >= 4 && rest.length - at >= rest.readInt32LE(at)) {
      const end = at + rest.readInt32LE(at)
      yield rest.subarray(at, end)
      at = end
    }
    rest = rest.subarray(at)
  }
}
