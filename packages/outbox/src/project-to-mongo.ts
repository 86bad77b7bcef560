import type { AnyBulkWriteOperation, Collection, Document } from 'mongodb'
import { OutboxError } from './errors.ts'
import { isFunction, takeOptions } from './options.ts'
import type { Apply, Failure, OutboxEvent } from './types.ts'

/** A projected document: the newest version wins, whatever order events come in. */
export type Projected<Id> = Document & { _id: Id; _v?: number; _deleted?: boolean; _deleted_at?: Date }

export interface ProjectionOptions<Id, Payload> {
  /** Where the documents go, typed or not. A function, so that it is asked only when the client is connected. */
  collection: () => Collection<Projected<Id>> | Collection
  /** The document's `_id`; default: the event's key. */
  id?: (event: OutboxEvent<Payload>) => Id
  /**
   * Grows with each change of the same thing; default: the event's id, right where events are written under the thing's
   * row lock.
   */
  version?: (event: OutboxEvent<Payload>) => number
  /** The document's fields without `_id` and `_v`; null: the thing is deleted. */
  document: (event: OutboxEvent<Payload>) => Document | null
  /**
   * Told of stored documents that were newer than their event, so that nothing was written. Usually a repeat, or an
   * order in which that is right; `_v` above every version that was given out means that versions came back. A throw
   * fails the batch.
   */
  onIgnored?: (documents: Array<{ _id: Id; _v?: number }>) => Promise<void>
}

/**
 * A handler that keeps documents in MongoDB equal to the state in the events, with one bulk write per batch. Repeats
 * and reorderings are harmless. A deleted thing leaves a tombstone `{ _id, _v, _deleted: true, _deleted_at }`, so that
 * a late older event cannot bring it back: leave tombstones out when reading, and expire them with a TTL index on
 * `_deleted_at`.
 */
export function projectToMongo<Id, Payload = unknown> (options: ProjectionOptions<Id, Payload>): Apply {
  const { id = getKey, version = getId, document, onIgnored } = takeProjectionOptions(options)
  const collection = options.collection as () => Collection<Projected<Id>>
  return async function applyProjection (events) {
    const newest = new Map<string, OutboxEvent<Payload>>()
    for (const event of events as Array<OutboxEvent<Payload>>) {
      const known = newest.get(event.key)
      if (known === undefined || version(event) >= version(known)) newest.set(event.key, event)
    }
    const written = [...newest.values()]
    const operations = written.map((event) => replaceIfNewer(id(event), version(event), document(event)))
    const tellIgnored = async (tell: NonNullable<typeof onIgnored>) => {
      const stored = await collection().find({ _id: { $in: written.map(id) } } as Document, { projection: { _v: 1 } })
        .toArray() as Array<{ _id: Id; _v?: number }>
      const versions = new Map(written.map((event) => [String(id(event)), version(event)]))
      const newer = stored.filter(({ _id, _v = 0 }) => _v > (versions.get(String(_id)) ?? 0))
      if (newer.length > 0) await tell(newer)
    }
    try {
      const { matchedCount, modifiedCount } = await collection().bulkWrite(operations, { ordered: false })
      if (onIgnored !== undefined && modifiedCount < matchedCount) await tellIgnored(onIgnored)
      return []
    } catch (error) {
      return blame(error, written, events)
    }
  }
}

function takeProjectionOptions<Id, Payload> (options: ProjectionOptions<Id, Payload>): ProjectionOptions<Id, Payload> {
  const known = {
    collection: isFunction,
    id: isFunction,
    version: isFunction,
    document: isFunction,
    onIgnored: isFunction
  }
  const given = takeOptions('projectToMongo', options, known)
  if (given.collection !== undefined && given.document !== undefined) return given
  throw new OutboxError('OUTBOX_USAGE', 'projectToMongo needs the options collection and document, both functions')
}

/**
 * An upsert that does nothing when the stored document is as new. It never goes backwards and never fails on a
 * duplicate `_id`.
 * @param _id the document's id
 * @param version grows with each change
 * @param document the other fields; null writes a tombstone
 */
export function replaceIfNewer<Id> (
  _id: Id,
  version: number,
  document: Document | null
): AnyBulkWriteOperation<Projected<Id>> {
  const next = document === null
    ? { _id, _v: version, _deleted: true, _deleted_at: new Date() }
    : { _id, ...document, _v: version }
  const isNewer = { $lt: [{ $ifNull: ['$_v', -1] }, version] }
  const filter = { _id } as Document
  return {
    updateOne: { filter, update: [{ $replaceWith: { $cond: [isNewer, { $literal: next }, '$$ROOT'] } }], upsert: true }
  }
}

// One refused document is the fault of the events about it; anything else concerns all.
function blame<Payload> (error: unknown, written: Array<OutboxEvent<Payload>>, events: OutboxEvent[]): Failure[] {
  const refused = getWriteErrors(error)
  if (refused === undefined) throw error
  const keys = new Map(refused.map(({ index, errmsg }) => [written[index]?.key, errmsg]))
  return events.filter(({ key }) => keys.has(key)).map(({ id, key }) => ({
    id,
    error: new Error(keys.get(key) ?? 'refused', { cause: error })
  }))
}

function getWriteErrors (error: unknown): Array<{ index: number; errmsg?: string }> | undefined {
  if (!(error instanceof Error) || !('writeErrors' in error)) return undefined
  const found = Array.isArray(error.writeErrors) ? error.writeErrors : [error.writeErrors]
  return found.length > 0 ? found as Array<{ index: number; errmsg?: string }> : undefined
}

function getKey<Id> (event: OutboxEvent): Id {
  return event.key as Id
}

function getId (event: OutboxEvent): number {
  return Number(event.id)
}
