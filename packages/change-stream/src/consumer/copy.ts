import type { ClientSession, Collection, ResumeToken } from 'mongodb'
import { ChangeStreamError, isHistoryLost } from '../errors.ts'
import { decode, encode } from '../stores/position.ts'
import { quietUntil } from '../time.ts'
import type { CopyReport, Position, StreamOptions, StreamStore } from '../types.ts'

/** Milliseconds between the statements of a page, which reads nothing from MongoDB. */
const PAGE_MS = 15_000

/**
 * Makes the SQL side equal to a collection, and sets the position from which the stream must go on.
 * The position is noted before reading: what changes meanwhile is copied and carried over once more, which is harmless.
 * In one transaction nobody else can move the position until this has ended; page by page it is set back at the end.
 */
export async function copyCollection (
  store: StreamStore,
  name: string,
  stream: StreamOptions
): Promise<{ position: Position; report: CopyReport }> {
  const collection = getCollection(stream)
  const session = collection.db.client.startSession({ causalConsistency: true })
  try {
    const position = await findStart(stream, session)
    const source = { collection, session, position: encode(position) }
    if (stream.copyPages !== undefined) {
      const report = await stream.copyPages((fn) => store.transaction(PAGE_MS, fn), source)
      await store.transaction(PAGE_MS, async (tx) => {
        await store.lock(tx, name)
        await store.set(tx, name, position)
      })
      return { position, report }
    }
    const report = await store.transaction(0, async (tx) => {
      await store.lock(tx, name)
      const found = await stream.copy?.(tx, source) ?? {}
      await store.set(tx, name, position)
      return found
    })
    return { position, report }
  } finally {
    await session.endSession()
  }
}

/**
 * The collection of a stream.
 * @throws ChangeStreamError when the app's function returns something else
 */
export function getCollection ({ collection }: StreamOptions): Collection {
  const found: unknown = collection()
  if ('watch' in Object(found) && 'collectionName' in Object(found)) return found as Collection
  throw new ChangeStreamError(
    'CHANGE_STREAM_USAGE',
    "collection() of a stream must return a collection of MongoDB: () => client.db('app').collection('articles')"
  )
}

/** Where the stream goes on after the copy: from its end, or from where an interrupted copy began. */
async function findStart (stream: StreamOptions, session: ClientSession): Promise<Position> {
  const token = await probe(stream, session)
  const interrupted = decode(await stream.copyFrom?.())
  if (interrupted !== undefined && await isWithinReach(stream, session, interrupted.token)) return interrupted
  return { token, through: quietUntil(token) }
}

async function isWithinReach (stream: StreamOptions, session: ClientSession, token: ResumeToken): Promise<boolean> {
  try {
    await probe(stream, session, token)
    return true
  } catch (error) {
    if (isHistoryLost(error)) return false
    throw error
  }
}

// On the copy's own session: whatever it reads later, from whichever server, is at least as new as the stream's end.
async function probe (stream: StreamOptions, session: ClientSession, startAfter?: ResumeToken): Promise<ResumeToken> {
  const found = getCollection(stream).watch(stream.pipeline ?? [], {
    maxAwaitTimeMS: 1,
    session,
    readConcern: { level: 'majority' },
    ...(startAfter !== undefined && { startAfter })
  })
  try {
    await found.tryNext()
    return found.resumeToken
  } finally {
    await found.close()
  }
}
