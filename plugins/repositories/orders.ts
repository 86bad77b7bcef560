import { and, asc, desc, eq, getTableColumns, param, sql, type Placeholder, type SQL } from 'drizzle-orm'
import type { Database, Dialect, Tables } from '../../drizzle/index.ts'
import { MAX_ID } from '../../schemas/common.ts'
import { OrderItemSchema, OrderSchema } from '../../schemas/orders.ts'
import { getRowLimit, parseTimestampCursor, toTimestampCursor, type Page, type PageRequest } from '../paging/page.ts'
import { textList } from '../sql/json/list.ts'
import { sqlPages } from '../sql/json/page-reader.ts'
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

// An order with its items in one statement, so that both are of the same moment.
function withItems (db: Database, { orders, orderItems }: Tables, id: Placeholder) {
  const { order_id, ...item } = getTableColumns(orderItems)
  return db.select({ order: getTableColumns(orders), item }).from(orders)
    .leftJoin(orderItems, eq(orderItems.order_id, orders.id)).where(eq(orders.id, id)).orderBy(asc(orderItems.id))
}

interface Choice {
  where?: SQL | undefined
  limit: Placeholder
  skip?: Placeholder
  rows: Placeholder
}

// A page of orders with their items, likewise one statement.
function listOrders (db: Database, dialect: Dialect, { where, limit, skip, rows }: Choice) {
  const { orders, orderItems } = dialect.tables
  let chosen = db.select().from(orders).where(where).orderBy(desc(orders.created_at), desc(orders.id)).limit(limit)
    .$dynamic()
  if (skip !== undefined) chosen = chosen.offset(skip)
  return textList(db, dialect, db.$with('page').as(chosen), {
    schema: OrderSchema,
    keys: ({ id, created_at }) => ({ id, created_at }),
    order: ({ id, created_at }) => [desc(created_at), desc(id)],
    part: {
      name: 'items',
      schema: OrderItemSchema,
      columns: getTableColumns(orderItems),
      parent: orderItems.order_id,
      order: [asc(orderItems.id)],
      rows
    }
  })
}

const toOrders = sqlPages(
  'orders',
  OrderSchema,
  ({ created_at, id }: { created_at: Date; id: number }) => toTimestampCursor(created_at, id),
  { items: OrderItemSchema }
)

// Compared as one value, so that the index is entered where the page begins.
function older ({ orders }: Tables, createdAt: Placeholder, id: Placeholder): SQL {
  return sql`(${orders.created_at}, ${orders.id}) < (${param(createdAt, orders.created_at)}, ${id})`
}

const queries = defineQueries('orders', (db, tables, dialect) => {
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
    byId: ({ id }: Params<{ id: number }>) => withItems(db, tables, id),
    list: ({ limit, skip, rows }: Params<Limits & { skip: number }>) => listOrders(db, dialect, { limit, skip, rows }),
    listAfter: ({ limit, createdAt, id, rows }: Params<Limits & Place>) =>
      listOrders(db, dialect, { where: older(tables, createdAt, id), limit, rows }),
    listOfUser: ({ user_id, limit, skip, rows }: Params<Limits & { user_id: number; skip: number }>) =>
      listOrders(db, dialect, { where: eq(orders.user_id, user_id), limit, skip, rows }),
    listOfUserAfter: ({ user_id, limit, createdAt, id, rows }: Params<Limits & Place & { user_id: number }>) =>
      listOrders(db, dialect, { where: and(eq(orders.user_id, user_id), older(tables, createdAt, id)), limit, rows })
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
      return toOrder(await run.byId({ id }))
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
      return toOrders(rows, page)
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

// One row for each item.
function toOrder (rows: Array<{ order: Omit<Order, 'items'>; item: OrderItem | null }>): Order | null {
  const [first] = rows
  return first === undefined ? null : { ...first.order, items: rows.flatMap(({ item }) => item ?? []) }
}
