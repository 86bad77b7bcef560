import { ObjectId, type Document } from 'mongodb'
import type { List } from '../../schemas/list.ts'
import { BY_NUMBER } from '../mongo/lists/collation.ts'
import type { PageQuery } from '../mongo/json/page-reader.ts'
import { getFilters, getOrder, getPlace, toCursor, type Key, type ListRequest } from '../paging/cursor.ts'
import type { Precondition } from './expected-version.ts'

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

/**
 * What to read of a list: its filters, the order, and where the page begins.
 * @param list what it may be sorted and filtered by
 * @param filter what every item must have, beside the filters of the request
 */
export function toPageQuery (list: List, request: ListRequest, filter: Document = {}): PageQuery {
  const { column, isDescending } = getOrder(list, request.sort)
  const names = getFilters(list, request)
  const values = request as ListRequest & Record<string, unknown>
  const field = column === 'id' ? '_id' : column
  const direction = isDescending ? -1 : 1
  const { skip, after } = request
  const isByNumber = list.sort[column] === 'decimal'
  const equal = { ...filter, ...Object.fromEntries(names.map((name) => [name, { $eq: values[name] }])) }
  return {
    filter: { ...(isByNumber ? toExact(equal) : equal), ...behind(list, request) },
    ...(isByNumber ? { collation: BY_NUMBER } : {}),
    sort: field === '_id' ? { _id: direction } : { [field]: direction, _id: direction },
    // A cursor wins.
    ...(skip === undefined || after !== undefined ? {} : { skip })
  }
}

/** The collation holds for filters too, where it takes a1 and a01 for the same; a regular expression does not. */
function toExact (conditions: Document): Document {
  return Object.fromEntries(
    Object.entries(conditions).map(([name, condition]: [string, unknown]) => {
      const value: unknown = Object(condition).$eq ?? condition
      if (typeof value !== 'string') return [name, condition]
      return [name, { $eq: value, $regex: `^${value.replaceAll(/[!-/:-@[-`{-~]/g, String.raw`\$&`)}\\z` }]
    })
  )
}

/** Makes the cursors of a list out of its items. */
export function documentCursor<Item extends { id: string }> (list: List): (last: Item, query: PageQuery) => string {
  return function getCursor (last, { sort }) {
    const [[field, direction] = ['_id', 1]] = Object.entries(sort)
    const column = field === '_id' ? 'id' : field
    const key = (last as Item & Record<string, Key>)[column] ?? last.id
    return toCursor(list, { column, isDescending: direction === -1 }, key, last.id)
  }
}

function behind (list: List, request: ListRequest): Document {
  const place = getPlace(list, request)
  if (place === undefined) return {}
  const { column, isDescending } = getOrder(list, request.sort)
  const [_id, next] = [new ObjectId(place.id), isDescending ? '$lt' : '$gt']
  if (column === 'id') return { _id: { [next]: _id } }
  // The first condition bounds the scan of the index, the second leaves out what shares the value and came before.
  return { [column]: { [`${next}e`]: place.key }, $or: [{ [column]: { [next]: place.key } }, { _id: { [next]: _id } }] }
}
