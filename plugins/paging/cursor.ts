import { FIRST_TIMESTAMP, LAST_TIMESTAMP, MAX_ID } from '../../schemas/common.ts'
import { hasShortCursor, toOrder, type List, type Order, type SortKind } from '../../schemas/list.ts'
import { toTimestampCursor, type PageRequest } from './page.ts'

/** What of a list is wanted: a page, an order, and values of its filters. */
export type ListRequest = PageRequest & { sort?: string }

/** A value that a list is sorted by. */
export type Key = string | number | Date

/** A place in a list: behind the item with this value and this id. */
export interface Place {
  key: Key
  id: string
}

/** The order that is asked for, or that of the list. */
export function getOrder ({ order }: List, sort: string | undefined): Order {
  return sort === undefined ? order : toOrder(sort)
}

/**
 * The cursor behind an item. In the order of the list it is `<id>` or `<milliseconds>_<id>`, in every other
 * `<sort>.<value in base64url>.<id>`.
 * @param key the value by which the list is sorted
 */
export function toCursor (list: List, order: Order, key: Key, id: string | number): string {
  if (isOwn(list, order) && hasShortCursor(list)) return key instanceof Date ? toTimestampCursor(key, id) : String(id)
  const value = key instanceof Date ? key.getTime() : key
  return `${toSort(order)}.${Buffer.from(String(value)).toString('base64url')}.${id}`
}

/**
 * The place of a cursor; undefined where it was made for another order, or by somebody else.
 * @param cursor its shape was checked by the schema of the route
 */
export function parseCursor (list: List, order: Order, cursor: string): Place | undefined {
  const [sort = '', value, end = ''] = cursor.split('.')
  const isShort = isOwn(list, order) && hasShortCursor(list)
  if ((value === undefined) !== isShort) return undefined
  if (value === undefined) {
    const [time = '', id] = cursor.split('_')
    return id === undefined ? toPlace(list, time, time) : toPlace(list, new Date(Number(time)), id)
  }
  const key = sort === toSort(order) ? decode(value, list.sort[order.column]) : undefined
  return key === undefined ? undefined : toPlace(list, key, end)
}

/**
 * Where the page of a request begins; undefined at the start of the list.
 * @throws RangeError when its cursor is of another order; the paging plugin has refused it before with 400
 */
export function getPlace (list: List, { after, sort }: ListRequest): Place | undefined {
  if (after === undefined) return undefined
  const place = parseCursor(list, getOrder(list, sort), after)
  if (place === undefined) {
    throw new RangeError(`A page by ${sort ?? toSort(list.order)} has the cursor of another order`)
  }
  return place
}

/** The filters that a request uses, in the order of their declaration. */
export function getFilters ({ filters }: List, request: object): string[] {
  const values = request as Record<string, unknown>
  return Object.keys(filters).filter((name) => values[name] !== undefined)
}

// No row has an id beyond the largest integer, so a cursor from there means the same as one from just below.
function toPlace ({ ids }: List, key: Key, id: string): Place {
  return { key, id: ids === 'row' ? String(Math.min(Number(id), MAX_ID)) : id }
}

function isOwn ({ order }: List, { column, isDescending }: Order): boolean {
  return order.column === column && order.isDescending === isDescending
}

function toSort ({ column, isDescending }: Order): string {
  return isDescending ? `-${column}` : column
}

function decode (value: string, kind: SortKind | undefined): Key | undefined {
  const bytes = Buffer.from(value, 'base64url')
  const text = bytes.toString()
  // Another spelling, or bytes that are no UTF-8.
  if (Buffer.from(text).toString('base64url') !== value) return undefined
  switch (kind) {
    case 'text':
      return text.includes('\0') ? undefined : text
    case 'decimal':
      return /^-?\d{1,18}(\.\d{1,18})?$/.test(text) ? text : undefined
    case 'integer':
      return /^-?\d{1,16}$/.test(text) && Number.isSafeInteger(Number(text)) ? Number(text) : undefined
    default: {
      const time = /^-?\d{1,15}$/.test(text) ? Number(text) : NaN
      return time >= FIRST_TIMESTAMP && time <= LAST_TIMESTAMP ? new Date(time) : undefined
    }
  }
}
