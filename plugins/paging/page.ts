/** Which part of a list is wanted. */
export interface PageRequest<Cursor = string> {
  /** Items at most. */
  limit: number
  /** Items to leave out at the start. */
  skip?: number
  /** `next` of the page before; wins over `skip`. */
  after?: Cursor
}

/** A document that costs its own row, and no more. */
export interface LeftOut {
  collection: string
  /** Its id, or of what type that is; undefined where it has none that can be read. */
  id: string | undefined
  /** What is wrong with it, without its values. */
  reason: string
}

/** A part of a list. */
export interface Page<Item, Cursor = string> {
  items: Item[]
  /** Where the following page begins; undefined on the last one. */
  next: Cursor | undefined
  /** The items as the text of a JSON array, or its bytes in UTF-8, where they were never anything else. */
  json?: string | Buffer
  /** What of the page could not be shown: documents that the schema does not admit. */
  left?: LeftOut[]
  /** The page of a client that counts its items (`skip`) would be too large: it cannot end early, so there is none. */
  isTooLarge?: boolean
}

/**
 * What a page may hold. A page that another follows by `after` ends before it is larger; one more item is always
 * allowed.
 */
export const PAGE_BOUNDS = {
  /** Rows of what belongs to the items, such as lines of orders. */
  rows: 1000,
  /** Characters of JSON text. */
  characters: 1_048_576
} as const

/** As often as large may be a page with `skip`, whose client counts on full pages. */
export const SKIP_FACTOR = 4

/** A page with `skip` that would be larger than its bounds. */
export const TOO_LARGE = { items: [], next: undefined, isTooLarge: true } as const

/** The most rows that a statement has to read for a page: one more than it may hold. */
export function getRowLimit ({ skip }: Pick<PageRequest, 'skip'>): number {
  return PAGE_BOUNDS.rows * (skip === undefined ? 1 : SKIP_FACTOR) + 1
}

/**
 * The page of items that were read with what belongs to them, one row for each. Where the statement has read as many
 * rows as it may, the last item may be incomplete and is left for the next page.
 * @param items in order, one more than wanted
 * @param rowCount rows that the statement has read
 * @param page what was asked for
 * @param getCursor makes the cursor from the last item
 */
export function toRowPage<Item, Cursor> (
  items: Item[],
  rowCount: number,
  page: PageRequest<Cursor>,
  getCursor: (last: Item) => Cursor
): Page<Item, Cursor> {
  if (rowCount < getRowLimit(page)) return toPage(items, page.limit, getCursor)
  const complete = items.slice(0, -1)
  if (complete.length >= page.limit) return toPage(items, page.limit, getCursor)
  if (page.skip !== undefined || complete.length === 0) return TOO_LARGE as unknown as Page<Item, Cursor>
  const last = complete.at(-1)
  return { items: complete, next: last === undefined ? undefined : getCursor(last) }
}

/**
 * Cuts a page out of rows that were read with one more than wanted.
 * @param rows at most `limit` + 1 rows
 * @param limit items wanted
 * @param getCursor makes the cursor from the last item
 */
function toPage<Item, Cursor> (
  rows: Item[],
  limit: number,
  getCursor: (last: Item) => Cursor
): Page<Item, Cursor> {
  const items = rows.length > limit ? rows.slice(0, limit) : rows
  const last = items.at(-1)
  return { items, next: rows.length > limit && last !== undefined ? getCursor(last) : undefined }
}

/**
 * The cursor of a place: `<milliseconds>_<id>`.
 * @param createdAt time of the last item
 * @param id its id
 */
export function toTimestampCursor (createdAt: Date, id: string | number): string {
  return `${createdAt.getTime()}_${id}`
}
