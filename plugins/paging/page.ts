/** Which part of a list is wanted. */
export interface PageRequest<Cursor = string> {
  /** Items at most. */
  limit: number
  /** Items to leave out at the start. */
  skip?: number
  /** `next` of the page before; wins over `skip`. */
  after?: Cursor
}

/** A part of a list. */
export interface Page<Item, Cursor = string> {
  items: Item[]
  /** Where the following page begins; undefined on the last one. */
  next: Cursor | undefined
  /** The items as the text of a JSON array, where they were never anything else. */
  json?: string
}

/**
 * Cuts a page out of rows that were read with one more than wanted.
 * @param rows at most `limit` + 1 rows
 * @param limit items wanted
 * @param getCursor makes the cursor from the last item
 */
export function toPage<Item, Cursor> (
  rows: Item[],
  limit: number,
  getCursor: (last: Item) => Cursor
): Page<Item, Cursor> {
  const items = rows.length > limit ? rows.slice(0, limit) : rows
  const last = items.at(-1)
  return { items, next: rows.length > limit && last !== undefined ? getCursor(last) : undefined }
}

/** A place in a list that is ordered by time, newest first, with the id breaking ties. */
export interface ListPosition {
  createdAt: Date
  id: string
}

/**
 * The cursor of a place: `<milliseconds>_<id>`.
 * @param createdAt time of the last item
 * @param id its id
 */
export function toTimestampCursor (createdAt: Date, id: string | number): string {
  return `${createdAt.getTime()}_${id}`
}

/**
 * The place of a cursor.
 * @param cursor what `toTimestampCursor` made; its shape was checked by the schema of the route
 */
export function parseTimestampCursor (cursor: string): ListPosition {
  const [time = '', id = ''] = cursor.split('_')
  return { createdAt: new Date(Number(time)), id }
}
