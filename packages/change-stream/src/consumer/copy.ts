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
  const collection = stream.collection()
  const session = collection.db.client.startSession({ causalConsistency: true })
  try {
    // On the copy's own session: whatever it reads later, from whichever server, is at least as new as this position.
    const probe = collection.watch(stream.pipeline ?? [], {
      maxAwaitTimeMS: 1,
      session,
      readConcern: { level: 'majority' }
    })
    await probe.tryNext()
    const position = { token: probe.resumeToken, through: quietUntil(probe.resumeToken) }
    await probe.close()
    const source = { collection, session }
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
      const found = await stream.copy(tx, source)
      await store.set(tx, name, position)
      return found
    })
    return { position, report }
  } finally {
    await session.endSession()
  }
}
