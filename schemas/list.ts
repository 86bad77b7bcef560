import { Type, type Static, type TObject, type TOptional, type TSchema, type TUnsafe } from '@sinclair/typebox'
import { DOCUMENT_ID_IN_CURSOR, ID_IN_CURSOR, LIMIT, oneOf, SKIP, TIME_IN_CURSOR } from './common.ts'

/** How values of a field are compared: text by its characters, whatever the store; decimals as numbers. */
export type SortKind = 'text' | 'date' | 'integer' | 'decimal'

/** An order of a list; the id breaks ties, in the same direction. */
export interface Order {
  column: string
  isDescending: boolean
}

/** What a list may be sorted and filtered by. */
export interface List<Query extends TSchema = TSchema> {
  /** Of its query: `limit`, `skip`, `after`, `sort` and the filters. */
  query: Query
  /** What its items are known by: the id of a row or of a document. */
  ids: 'row' | 'document'
  /** The order without `sort`. */
  order: Order
  /** The fields that `sort` may name. */
  sort: Readonly<Record<string, SortKind>>
  /** Equality with a field. A unique one finds an item at most, so it goes with every order. */
  filters: Readonly<Record<string, { isUnique: boolean }>>
}

type Filters = Record<string, TSchema>
type Optional<F extends Filters> = { [Name in keyof F]: TOptional<F[Name]> }
type SortOf<S> = `${'' | '-'}${Extract<keyof S, string>}`
type Query<S, F extends Filters> = TObject<
  {
    limit: TUnsafe<number>
    skip: TOptional<TUnsafe<number>>
    after: TOptional<TUnsafe<string>>
    sort: TOptional<TUnsafe<SortOf<S>>>
  } & Optional<F>
>

interface Declaration<Item extends TObject, S, F extends Filters, U extends Filters> {
  ids: 'row' | 'document'
  /** The order without `sort`; `-` in front: from the last to the first. */
  order: SortOf<S>
  /** Each needs an index `(field, id)`. */
  sort: S & { [Name in keyof S]: Name extends keyof Static<Item> ? SortKind : never }
  /** Each needs an index `(filter, field of order, id)`; they go with that order, in both directions. */
  filters: F
  /** Each needs a unique index. */
  unique: U
}

/** Characters of a text that a list may be sorted by: more would be too much for the key of an index. */
const LONGEST_TEXT = 255
/** A cursor with such a text, in base64url with four bytes for a character at most, the name of a field and an id. */
const LONGEST_CURSOR = Math.ceil(LONGEST_TEXT * 4 * 4 / 3) + 100
const LISTS = new WeakMap<object, List>()
const TYPES: Record<SortKind, string> = { text: 'string', date: 'string', integer: 'integer', decimal: 'string' }

/**
 * Declares what a list may be sorted and filtered by. Nothing else can be asked for, and the OpenAPI document says so.
 * @param item schema of an item
 * @param declaration what there is an index for
 * @throws TypeError when a field is optional, or of another kind
 * @example
 * const orderList = defineList(OrderSchema, {
 *   ids: 'row',
 *   order: '-created_at',
 *   sort: { created_at: 'date', total: 'decimal' },
 *   filters: { status: oneOf(ORDER_STATUSES) },
 *   unique: {}
 * })
 */
export function defineList<
  Item extends TObject,
  const S extends Readonly<Record<string, SortKind>>,
  F extends Filters,
  U extends Filters
> (item: Item, declaration: Declaration<Item, S, F, U>): List<Query<S, F & U>> {
  const { ids, order, sort, filters, unique } = declaration
  for (const [name, kind] of Object.entries<SortKind>(sort)) checkField(item, name, kind)
  const names = Object.keys(sort).flatMap((name) => [name, `-${name}`])
  const list: Omit<List, 'query'> = {
    ids,
    order: toOrder(order),
    sort,
    filters: Object.fromEntries([
      ...Object.keys(filters).map((name) => [name, { isUnique: false }] as const),
      ...Object.keys(unique).map((name) => [name, { isUnique: true }] as const)
    ])
  }
  const query = Type.Object({
    limit: LIMIT,
    skip: Type.Optional(SKIP),
    after: Type.Optional(cursor(list)),
    sort: Type.Optional(oneOf(names, { description: describeSort(order, Object.keys(filters)) })),
    ...Object.fromEntries(
      Object.entries<TSchema>({ ...filters, ...unique }).map(([name, one]) => [name, Type.Optional(one)])
    )
  }) as unknown as Query<S, F & U>
  LISTS.set(query, { ...list, query })
  return { ...list, query }
}

/** The list whose query this schema is; undefined where it is none that was declared. */
export function getList (query: unknown): List | undefined {
  return typeof query === 'object' && query !== null ? LISTS.get(query) : undefined
}

/** `-created_at` → by `created_at`, from the last to the first. */
export function toOrder (sort: string): Order {
  const isDescending = sort.startsWith('-')
  return { column: isDescending ? sort.slice(1) : sort, isDescending }
}

/** Whether cursors of the order without `sort` are as short as they can be: an id, or a time and an id. */
export function hasShortCursor ({ order: { column }, sort }: Pick<List, 'order' | 'sort'>): boolean {
  return column === 'id' || sort[column] === 'date'
}

function checkField (item: TObject, name: string, kind: SortKind): void {
  const property = item.properties[name] as TSchema | undefined
  const isDate = property?.['format'] === 'date-time'
  if (property?.['type'] !== TYPES[kind] || isDate !== (kind === 'date')) {
    throw new TypeError(`The list cannot be sorted by ${name}: its schema has no field of that name that is ${kind}`)
  }
  if (kind === 'text' && !(Number(property?.['maxLength']) <= LONGEST_TEXT)) {
    throw new TypeError(`The list cannot be sorted by ${name}: give its schema a maxLength of ${LONGEST_TEXT} at most`)
  }
  if (item.required?.includes(name) !== true) {
    throw new TypeError(`The list cannot be sorted by ${name}: it may be absent; make it required`)
  }
}

function cursor (list: Omit<List, 'query'>): TSchema {
  const id = list.ids === 'row' ? ID_IN_CURSOR : DOCUMENT_ID_IN_CURSOR
  const short = list.order.column === 'id' ? id : `${TIME_IN_CURSOR}_${id}`
  const long = `-?[a-z][a-z0-9_]*\\.[A-Za-z0-9_\\x2D]*\\.${id}`
  const [one, other] = list.ids === 'row' ? ['42', 'bmFtZQ'] : ['66f1c0a5e4b0a1b2c3d4e5f6', 'bmFtZQ']
  return Type.String({
    pattern: hasShortCursor(list) ? `^(?:${short}|${long})$` : `^${long}$`,
    maxLength: LONGEST_CURSOR,
    description:
      'Where the page begins: from the `Link` header of the page before, of the same `sort`; not together with `skip`',
    examples: [
      !hasShortCursor(list)
        ? `${list.order.column}.${other}.${one}`
        : list.order.column === 'id'
        ? one
        : `1738324800000_${one}`
    ]
  })
}

function describeSort (order: string, filters: string[]): string {
  const only = filters.length === 0
    ? ''
    : `; together with ${filters.join(' or ')} only by ${order.replace(/^-/, '')}, in either direction`
  const how = '`-` in front: from the last to the first; the id breaks ties'
  return `Order of the list, ${how}${only}. Without it: \`${order}\``
}
