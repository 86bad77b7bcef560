import { and, asc, desc, eq, getTableColumns, param, sql, type Placeholder, type SQL } from 'drizzle-orm'
import type { Database, Tables } from '../../drizzle/index.ts'
import { MAX_ID } from '../../schemas/common.ts'
import {
  getRowLimit,
  parseTimestampCursor,
  toRowPage,
  toTimestampCursor,
  type Page,
  type PageRequest
} from '../paging/page.ts'
import { defineQueries, many, type Params } from '../../drizzle/prepared/queries.ts'

export type OrderItem = Omit<Tables['orderItems']['$inferSelect'], 'order_id'>
export type Order = Tables['orders']['$inferSelect'] & { items: OrderItem[] }
/** `unit_price` is a decimal with two places, as text. */
export interface NewOrderItem {
  product: string
  quantity: number
  unit_price: string
}
export interface NewOrder {
  user_id: number
  items: NewOrderItem[]
}
/** The orders of this user, or all of them. */
export interface OrderFilter {
  user_id?: number
}

type StoredItem = NewOrderItem & { order_id: number }

interface Limits {
  /** Orders, and rows of orders with their items. */
  limit: number
  rows: number
}
interface Place {
  createdAt: Date
  id: number
}

// A page of orders with their items in one statement, so that both are of the same moment.
function withItems (
  db: Database,
  { orders, orderItems }: Tables,
  { where, limit, skip, rows }: { where?: SQL | undefined; limit?: Placeholder; skip?: Placeholder; rows?: Placeholder }
) {
  const order = getTableColumns(orders)
  const { order_id, ...item } = getTableColumns(orderItems)
  let chosen = db.select(order).from(orders).where(where).orderBy(desc(orders.created_at), desc(orders.id)).$dynamic()
  if (limit !== undefined) chosen = chosen.limit(limit)
  if (skip !== undefined) chosen = chosen.offset(skip)
  const page = chosen.as('page')
  const lines = db
    .select({
      order: {
        id: page.id,
        user_id: page.user_id,
        status: page.status,
        total: page.total,
        created_at: page.created_at
      },
      item
    })
    .from(page).leftJoin(orderItems, eq(orderItems.order_id, page.id))
    .orderBy(desc(page.created_at), desc(page.id), asc(orderItems.id)).$dynamic()
  return rows === undefined ? lines : lines.limit(rows)
}

// Compared as one value, so that the index is entered where the page begins.
function older ({ orders }: Tables, createdAt: Placeholder, id: Placeholder): SQL {
  return sql`(${orders.created_at}, ${orders.id}) < (${param(createdAt, orders.created_at)}, ${id})`
}

const queries = defineQueries('orders', (db, tables) => {
  const { orders, orderItems } = tables
  const order = getTableColumns(orders)
  const { order_id, ...item } = getTableColumns(orderItems)

  return {
    create: ({ user_id, total }: Params<{ user_id: number; total: string }>) =>
      db.insert(orders).values({ user_id, total }).returning(order),
    addItems: many((items: Array<Params<StoredItem>>) =>
      db.insert(orderItems)
        .values(
          items.map(({ order_id, product, quantity, unit_price }) => ({ order_id, product, quantity, unit_price }))
        )
        .returning(item)
    ),
    byId: ({ id }: Params<{ id: number }>) => withItems(db, tables, { where: eq(orders.id, id) }),
    list: ({ limit, skip, rows }: Params<Limits & { skip: number }>) => withItems(db, tables, { limit, skip, rows }),
    listAfter: ({ limit, createdAt, id, rows }: Params<Limits & Place>) =>
      withItems(db, tables, { where: older(tables, createdAt, id), limit, rows }),
    listOfUser: ({ user_id, limit, skip, rows }: Params<Limits & { user_id: number; skip: number }>) =>
      withItems(db, tables, { where: eq(orders.user_id, user_id), limit, skip, rows }),
    listOfUserAfter: ({ user_id, limit, createdAt, id, rows }: Params<Limits & Place & { user_id: number }>) =>
      withItems(db, tables, { where: and(eq(orders.user_id, user_id), older(tables, createdAt, id)), limit, rows })
  }
})

export type OrderRepository = ReturnType<typeof createOrderRepository>

/**
 * Orders with their items in the SQL database. `create` sends two statements: run it in a transaction.
 * @param db the handle to run on
 */
export function createOrderRepository (db: Database) {
  const run = queries.on(db)
  return {
    /** Stores an order and all its items; a user that does not exist violates `orders_user_id_fkey`. */
    async create ({ user_id, items }: NewOrder): Promise<Order> {
      const [order] = await run.create({ user_id, total: getTotal(items) })
      const { id } = order as NonNullable<typeof order>
      const stored = await run.addItems(items.map((item) => ({ ...item, order_id: id })))
      return { ...order as NonNullable<typeof order>, items: stored }
    },

    async getById (id: number): Promise<Order | null> {
      return grouped(await run.byId({ id }))[0] ?? null
    },

    /** Orders with their items, newest first: always one statement. */
    async list (page: PageRequest & OrderFilter): Promise<Page<Order>> {
      const { skip = 0, after, user_id } = page
      const limits = { limit: page.limit + 1, rows: getRowLimit(page) }
      const place = after === undefined ? undefined : toPlace(after)
      const rows = user_id === undefined
        ? place === undefined
          ? await run.list({ ...limits, skip })
          : await run.listAfter({ ...limits, ...place })
        : place === undefined
        ? await run.listOfUser({ user_id, ...limits, skip })
        : await run.listOfUserAfter({ user_id, ...limits, ...place })
      return toRowPage(grouped(rows), rows.length, page, ({ created_at, id }) => toTimestampCursor(created_at, id))
    }
  }
}

// No order has an id beyond the largest integer, so a cursor from there means the same as one from just below.
function toPlace (after: string): Place {
  const { createdAt, id } = parseTimestampCursor(after)
  return { createdAt, id: Math.min(Number(id), MAX_ID) }
}

/** The exact sum of the items: in cents, as whole numbers of any size. */
function getTotal (items: NewOrderItem[]): string {
  const cents = items.reduce((sum, { quantity, unit_price }) => sum + BigInt(quantity) * toCents(unit_price), 0n)
  return `${cents / 100n}.${String(cents % 100n).padStart(2, '0')}`
}

function toCents (price: string): bigint {
  return BigInt(price.replace('.', ''))
}

// Rows of one order follow each other.
function grouped (rows: Array<{ order: Omit<Order, 'items'>; item: OrderItem | null }>): Order[] {
  const orders: Order[] = []
  for (const { order, item } of rows) {
    let current = orders.at(-1)
    if (current?.id !== order.id) {
      current = { ...order, items: [] }
      orders.push(current)
    }
    if (item !== null) current?.items.push(item)
  }
  return orders
}
