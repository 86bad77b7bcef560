import { MongoError, MongoNetworkError, type Document, type Long } from 'mongodb'
import type { TransactionalDatabase } from 'fastify-transaction'

/** A handle on MongoDB: `request.mongo` on a transaction, or a plain database. */
export type Documents = TransactionalDatabase

/** The first reply to a command that makes a cursor; its id is 0 when the batch was all. */
interface RawReply {
  cursor: { firstBatch: Uint8Array[]; id: Long | number }
}
/** A database itself, which takes commands. */
export interface Raw {
  command: (command: Document, options?: { fieldsAsRaw: { firstBatch: true } }) => Promise<RawReply>
  readConcern?: { level: string }
}

/** Longest time for MongoDB to answer, in milliseconds. */
export const MAX_TIME_MS = 5000
// The server is stepping down or shutting down: another one, or the same a moment later, will answer.
const PASSING = new Set<unknown>([91, 189, 10_107, 11_600, 11_602, 13_435, 13_436])

/** True for a database itself: on a transaction, and on a double of a test, only collections can be used. */
export function isPlain (db: object): db is Documents & Raw {
  return 'command' in db && typeof db.command === 'function'
}

/**
 * Sends one `find` command whose documents stay the bytes that they are.
 * @param options of the command: `filter`, `sort`, `limit`, …
 * @returns the cursor; undefined where the server went away, and the driver, which repeats a find by itself, shall read
 */
export async function findRaw (
  db: Documents & Raw,
  collection: string,
  options: Document
): Promise<RawReply['cursor'] | undefined> {
  db.collection(collection) // refuses at once while MongoDB is known to be down
  const { level } = db.readConcern ?? {}
  const readConcern = level === undefined ? {} : { readConcern: { level } }
  try {
    // Not `raw: true`: the driver (7.9) would take the topology of an error as bytes too, and fail over it.
    const { cursor } = await db.command(
      { find: collection, ...options, maxTimeMS: MAX_TIME_MS, ...readConcern },
      { fieldsAsRaw: { firstBatch: true } }
    )
    return cursor
  } catch (error) {
    if (hasGoneAway(error)) return undefined
    throw error
  }
}

/** The projection of an item's fields; `id` is the document's `_id`. */
export function toProjection (names: string[]): Record<string, 1> {
  return Object.fromEntries(names.map((name) => [name === 'id' ? '_id' : name, 1]))
}

function hasGoneAway (error: unknown): boolean {
  return error instanceof MongoNetworkError || (error instanceof MongoError && PASSING.has(error.code))
}
