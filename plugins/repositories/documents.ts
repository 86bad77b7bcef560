import { ObjectId } from 'mongodb'
import { parseTimestampCursor, type PageRequest } from '../paging/page.ts'
import type { Precondition } from './expected-version.ts'

/** The order of lists, as the indexes of collections have it. */
export const newestFirst = { created_at: -1, _id: -1 } as const

/** The filter of a write that expects a version; 0 stands for documents that have none yet. */
export function hasVersion ({ match, noneMatch }: Precondition): object {
  const wanted = match?.map(toStored)
  const unwanted = noneMatch === '*' ? undefined : noneMatch?.map(toStored)
  const conditions = [
    ...(wanted === undefined ? [] : [{ version: { $in: wanted } }]),
    ...(unwanted === undefined ? [] : [{ version: { $nin: unwanted } }]),
    // No document that is there has an _id of this type.
    ...(noneMatch === '*' ? [{ _id: { $type: 'null' } }] : [])
  ]
  return conditions.length === 0 ? {} : { $and: conditions }
}

function toStored (version: string): number | null {
  return version === '0' ? null : Number(version)
}

/** Documents to leave out at the start; a cursor wins. */
export function getSkip ({ skip, after }: PageRequest): { skip?: number } {
  return skip === undefined || after !== undefined ? {} : { skip }
}

/** The filter of a page: documents after this cursor, newest first. */
export function olderThan (after: string | undefined): object {
  if (after === undefined) return {}
  const { createdAt, id } = parseTimestampCursor(after)
  // The first condition bounds the scan of the index, the second leaves out what shares the moment and came before.
  return {
    created_at: { $lte: createdAt },
    $or: [{ created_at: { $lt: createdAt } }, { _id: { $lt: new ObjectId(id) } }]
  }
}
