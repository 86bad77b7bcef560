import type { Static, TObject, TSchema } from '@sinclair/typebox'
import { Long, MongoError, MongoNetworkError, ObjectId, type Document } from 'mongodb'
import type { TransactionalDatabase } from 'fastify-transaction'
import { compileBatch } from './bson-json.ts'
import { PAGE_BOUNDS, SKIP_FACTOR, TOO_LARGE, type Page } from '../../paging/page.ts'

/** A handle on MongoDB: `request.mongo` on a transaction, or a plain database. */
export type Documents = TransactionalDatabase

/**
 * One page of a list: a find, or the stages of an aggregation, which must limit themselves to `limit` + 1 documents.
 */
export type PageQuery = { filter: Document; sort: Record<string, 1 | -1>; skip?: number } | {
  stages: Document[]
  skip?: number
}

/** The first reply to a command that makes a cursor; its id is 0 when the batch was all. */
interface RawReply {
  cursor: { firstBatch: Uint8Array[]; id: Long | number }
}
interface Raw {
  command: (command: Document, options?: { fieldsAsRaw: { firstBatch: true } }) => Promise<RawReply>
  readConcern?: { level: string }
}
type Reader<Item> = (db: Documents, query: PageQuery, limit: number) => Promise<Page<Item>>
/** What is known of a list before the first request. */
interface List<Item> {
  collection: string
  /** Names of the JSON; `id` is the document's `_id`. */
  names: string[]
  dates: string[]
  projection: Record<string, 1>
  toJson: ReturnType<typeof compileBatch>
  getCursor: (last: Item) => string
}

const MAX_TIME_MS = 5000
// The server is stepping down or shutting down: another one, or the same a moment later, will answer.
const PASSING = new Set<unknown>([91, 189, 10_107, 11_600, 11_602, 13_435, 13_436])

/**
 * Prepares reading a list from MongoDB, always one command for a page. Here is decided how: a plain database is asked
 * for raw bytes, which become JSON text without objects in between. On a transaction, where only collections can be
 * used, and on a double of a test the driver decodes; so it does when the server went away, because it repeats a find
 * by itself, and when a page does not fit into one reply of 16 MB.
 * @param collection name of the collection
 * @param schema what an item looks like to a client; `id` is the document's `_id`
 * @param getCursor makes the cursor that follows an item
 */
export function mongoPages<T extends TObject> (
  collection: string,
  schema: T,
  getCursor: (last: Static<T>) => string
): Reader<Static<T>> {
  const names = Object.keys(schema.properties)
  const list: List<Static<T>> = {
    collection,
    names,
    dates: names.filter((name) => (schema.properties[name] as TSchema)['format'] === 'date-time'),
    projection: Object.fromEntries(names.map((name) => [getFieldName(name), 1])),
    toJson: compileBatch(schema, { id: '_id' }),
    getCursor
  }
  return async function readPage (db, query, limit) {
    const raw = isPlain(db) ? await readRaw(db, list, query, limit) : undefined
    return raw ?? await readDecoded(db, list, query, limit)
  }
}

// Undefined where the driver shall read instead: the server went away, or the page is larger than a reply.
async function readRaw<Item> (
  db: Documents & Raw,
  list: List<Item>,
  query: PageQuery,
  limit: number
): Promise<Page<Item> | undefined> {
  const documents = await sendRaw(db, list, query, limit + 1)
  if (documents === undefined) return undefined
  const { json, last, hasMore } = list.toJson(documents, limit, getCharacters(query))
  if (isCounted(query) && json.length > getCharacters(query)) return TOO_LARGE as unknown as Page<Item>
  return {
    json,
    get items () {
      return (JSON.parse(json) as object[]).map((item) => revive<Item>(item, list.dates))
    },
    next: hasMore && last !== undefined
      ? list.getCursor(revive<Item>(JSON.parse(last) as object, list.dates))
      : undefined
  }
}

async function sendRaw<Item> (
  db: Documents & Raw,
  { collection, projection }: List<Item>,
  query: PageQuery,
  limit: number
): Promise<Uint8Array[] | undefined> {
  db.collection(collection) // refuses at once while MongoDB is known to be down
  const command = 'stages' in query
    // One more than there can be: a batch that is full to the last place leaves its cursor open.
    ? { aggregate: collection, pipeline: query.stages, cursor: { batchSize: limit + 1 } }
    : { find: collection, filter: query.filter, ...getOptions(query), projection, limit, batchSize: limit }
  const { level } = db.readConcern ?? {}
  try {
    // Not `raw: true`: the driver (7.9) would take the topology of an error as bytes too, and fail over it.
    const { cursor: { firstBatch, id } } = await db.command({
      ...command,
      maxTimeMS: MAX_TIME_MS,
      ...(level === undefined ? {} : { readConcern: { level } })
    }, { fieldsAsRaw: { firstBatch: true } })
    const open = Long.fromString(id.toString())
    if (open.isZero()) return firstBatch
    await db.command({ killCursors: collection, cursors: [open] }).catch(() => {}) // it would end by itself in ten minutes
    // A reply of 16 MB is more than a page holds.
    return isLargerThanPage(firstBatch, query) ? firstBatch : undefined
  } catch (error) {
    if (hasGoneAway(error)) return undefined
    throw error
  }
}

async function readDecoded<Item> (
  db: Documents,
  { collection, names, projection, getCursor }: List<Item>,
  query: PageQuery,
  limit: number
): Promise<Page<Item>> {
  const documents = await ('stages' in query
    ? db.collection(collection).aggregate(query.stages, { maxTimeMS: MAX_TIME_MS })
    : db.collection(collection).find(query.filter, {
      ...getOptions(query),
      projection,
      limit: limit + 1,
      maxTimeMS: MAX_TIME_MS
    })).toArray()
  const items = takeWithin(
    documents.slice(0, limit).map((document) => toItem<Item>(document, names)),
    getCharacters(query)
  )
  if (isCounted(query) && items.length < Math.min(limit, documents.length)) return TOO_LARGE as unknown as Page<Item>
  const last = items.at(-1)
  return { items, next: documents.length > items.length && last !== undefined ? getCursor(last) : undefined }
}

/** The first items, up to the one that reaches the bound. */
function takeWithin<Item> (items: Item[], characters: number): Item[] {
  let left = characters
  return items.filter((item) => {
    const isTaken = left > 0
    if (isTaken) left -= JSON.stringify(item).length
    return isTaken
  })
}

/** Whether the client counts items (`skip`), so that a page that ends early would hide some. */
function isCounted (query: PageQuery): boolean {
  return 'skip' in query && query.skip !== undefined
}

function getCharacters (query: PageQuery): number {
  return PAGE_BOUNDS.characters * (isCounted(query) ? SKIP_FACTOR : 1)
}

function isLargerThanPage (documents: Uint8Array[], query: PageQuery): boolean {
  return documents.reduce((sum, { length }) => sum + length, 0) > 2 * getCharacters(query)
}

function isPlain (db: object): db is Documents & Raw {
  return 'command' in db && typeof db.command === 'function'
}

function hasGoneAway (error: unknown): boolean {
  return error instanceof MongoNetworkError || (error instanceof MongoError && PASSING.has(error.code))
}

function getFieldName (name: string): string {
  return name === 'id' ? '_id' : name
}

function getOptions (
  { sort, skip }: { sort: Record<string, 1 | -1>; skip?: number }
): { sort: Record<string, 1 | -1>; skip?: number } {
  return skip === undefined ? { sort } : { sort, skip }
}

function toItem<Item> (document: Document, names: string[]): Item {
  const entries = names.map((name) => [name, document[getFieldName(name)] as unknown]).filter(([, value]) =>
    value !== undefined
  )
  return Object.fromEntries(
    entries.map(([name, value]) => [name, value instanceof ObjectId ? value.toHexString() : value])
  ) as Item
}

function revive<Item> (item: object, dates: string[]): Item {
  const values = item as Record<string, unknown>
  for (const name of dates) values[name] = new Date(String(values[name]))
  return values as Item
}
