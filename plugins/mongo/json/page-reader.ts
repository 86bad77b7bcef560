import type { Static, TObject, TSchema } from '@sinclair/typebox'
import { Long, ObjectId, type CollationOptions, type Document } from 'mongodb'
import { compileBatch } from './bson-json.ts'
import { findRaw, isPlain, MAX_TIME_MS, toProjection, type Documents, type Raw } from './find-raw.ts'
import { compileItem, type StrangeDocument } from './strange.ts'
import { PAGE_BOUNDS, SKIP_FACTOR, TOO_LARGE, type LeftOut, type Page } from '../../paging/page.ts'

/** One page of a list. */
export interface PageQuery {
  filter: Document
  sort: Record<string, 1 | -1>
  skip?: number
  /** How texts are compared, where it is not by their characters. */
  collation?: CollationOptions
}

type Reader<Item> = (db: Documents, query: PageQuery, limit: number) => Promise<Page<Item>>
/** What is known of a list before the first request. */
interface List<Item> {
  collection: string
  dates: string[]
  projection: Record<string, 1>
  toJson: ReturnType<typeof compileBatch>
  toItem: ReturnType<typeof compileItem>
  getCursor: (last: Item, query: PageQuery) => string
}

/** Where in a page to read: documents left out beyond those of `skip`, and how many are wanted. */
interface Part {
  offset: number
  limit: number
}
/** A page, and what was met on the way. */
interface ReadPage<Item> {
  page: Page<Item>
  strange: StrangeDocument[]
  hasMore: boolean
}

/** After so many documents in a row that cannot be shown, a list ends. */
const MOST_STRANGE = 1000

/**
 * Prepares reading a list from MongoDB, always one command for a page. Here is decided how: a plain database is asked
 * for raw bytes, which become JSON text without objects in between. On a transaction, where only collections can be
 * used, and on a double of a test the driver decodes; so it does when the server went away, because it repeats a find
 * by itself, and when a page does not fit into one reply of 16 MB.
 * @param collection name of the collection
 * @param schema what an item looks like to a client; `id` is the document's `_id`
 * @param getCursor makes the cursor that follows an item of this page
 */
export function mongoPages<T extends TObject> (
  collection: string,
  schema: T,
  getCursor: (last: Static<T>, query: PageQuery) => string
): Reader<Static<T>> {
  const names = Object.keys(schema.properties)
  const list: List<Static<T>> = {
    collection,
    dates: names.filter((name) => (schema.properties[name] as TSchema)['format'] === 'date-time'),
    projection: toProjection(names),
    toJson: compileBatch(schema, { id: '_id' }),
    toItem: compileItem(schema),
    getCursor
  }
  return async function readPage (db, query, limit) {
    const left: LeftOut[] = []
    // Where no document of a page can be shown there is no cursor to go on from: the page begins after them.
    for (let offset = 0;; offset += limit) {
      const part = { offset, limit }
      const raw = isPlain(db) ? await readRaw(db, list, query, part) : undefined
      const { page, strange, hasMore } = raw ?? await readDecoded(db, list, query, part)
      left.push(...strange.map((one) => toLeftOut(collection, one)))
      const isEmpty = page.json === undefined ? page.items.length === 0 : page.json === '[]'
      if (isEmpty && hasMore && !isCounted(query) && offset < MOST_STRANGE) continue
      return left.length === 0 || page.isTooLarge === true ? page : Object.assign(page, { left })
    }
  }
}

/** Names a document for the log, without a value of it. */
export function toLeftOut (collection: string, { id, reason }: StrangeDocument): LeftOut {
  const isPlainId = id instanceof ObjectId || typeof id === 'number'
  return { collection, id: isPlainId ? String(id) : id === undefined ? id : `of type ${typeof id}`, reason }
}

// Undefined where the driver shall read instead: the server went away, or the page is larger than a reply.
async function readRaw<Item> (
  db: Documents & Raw,
  list: List<Item>,
  query: PageQuery,
  { offset, limit }: Part
): Promise<ReadPage<Item> | undefined> {
  const documents = await sendRaw(db, list, query, { offset, limit: limit + 1 })
  if (documents === undefined) return undefined
  const { json, characters, last, hasMore, strange } = list.toJson(documents, limit, getCharacters(query))
  if (isCounted(query) && characters > getCharacters(query)) {
    return { page: TOO_LARGE as unknown as Page<Item>, strange, hasMore }
  }
  const page = {
    json,
    get items () {
      return (JSON.parse(String(json)) as object[]).map((item) => revive<Item>(item, list.dates))
    },
    next: hasMore && last !== undefined
      ? list.getCursor(revive<Item>(JSON.parse(last) as object, list.dates), query)
      : undefined
  }
  return { page, strange, hasMore }
}

async function sendRaw<Item> (
  db: Documents & Raw,
  { collection, projection }: List<Item>,
  query: PageQuery,
  { offset, limit }: Part
): Promise<Uint8Array[] | undefined> {
  const cursor = await findRaw(db, collection, {
    filter: query.filter,
    ...getOptions(query, offset),
    projection,
    limit,
    batchSize: limit
  })
  if (cursor === undefined) return undefined
  const { firstBatch, id } = cursor
  const open = Long.fromString(id.toString())
  if (open.isZero()) return firstBatch
  await db.command({ killCursors: collection, cursors: [open] }).catch(() => {}) // it would end by itself in ten minutes
  // A reply of 16 MB is more than a page holds.
  return isLargerThanPage(firstBatch, query) ? firstBatch : undefined
}

async function readDecoded<Item> (
  db: Documents,
  { collection, toItem, projection, getCursor }: List<Item>,
  query: PageQuery,
  { offset, limit }: Part
): Promise<ReadPage<Item>> {
  const documents = await db.collection(collection).find(query.filter, {
    ...getOptions(query, offset),
    projection,
    limit: limit + 1,
    maxTimeMS: MAX_TIME_MS
  }).toArray()
  const strange: StrangeDocument[] = []
  const items: Item[] = []
  let left = getCharacters(query)
  for (const document of documents.slice(0, limit)) {
    if (left <= 0) break
    const item = toItem(document)
    if (typeof item === 'string') strange.push({ id: document['_id'] as unknown, reason: item })
    else {
      left -= JSON.stringify(item).length
      items.push(item as Item)
    }
  }
  const hasMore = documents.length > items.length + strange.length
  if (isCounted(query) && hasMore && items.length + strange.length < limit) {
    return { page: TOO_LARGE as unknown as Page<Item>, strange, hasMore }
  }
  const last = items.at(-1)
  return { page: { items, next: hasMore && last !== undefined ? getCursor(last, query) : undefined }, strange, hasMore }
}

/** Whether the client counts items (`skip`), so that a page that ends early would hide some. */
function isCounted (query: PageQuery): boolean {
  return query.skip !== undefined
}

function getCharacters (query: PageQuery): number {
  return PAGE_BOUNDS.characters * (isCounted(query) ? SKIP_FACTOR : 1)
}

function isLargerThanPage (documents: Uint8Array[], query: PageQuery): boolean {
  return documents.reduce((sum, { length }) => sum + length, 0) > 2 * getCharacters(query)
}

function getOptions ({ sort, skip = 0, collation }: PageQuery, offset: number): Omit<PageQuery, 'filter'> {
  return {
    sort,
    ...(skip + offset === 0 ? {} : { skip: skip + offset }),
    ...(collation === undefined ? {} : { collation })
  }
}

function revive<Item> (item: object, dates: string[]): Item {
  const values = item as Record<string, unknown>
  for (const name of dates) values[name] = new Date(String(values[name]))
  return values as Item
}
