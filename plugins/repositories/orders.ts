import { asc, eq, getTableColumns, type Placeholder } from 'drizzle-orm'
import type { Database, Tables } from '../../drizzle/index.ts'
import { OrderItemSchema, orderList, OrderSchema } from '../../schemas/orders.ts'
import type { ListRequest } from '../paging/cursor.ts'
import type { Page } from '../paging/page.ts'
import { sqlList } from '../sql/lists/sql-list.ts'
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
/** The orders of this user, in this state, or all of them. */
export interface OrderFilter {
  user_id?: number
  status?: Order['status']
}

type StoredItem = NewOrderItem & { order_id: number }

// An order with its items in one statement, so that both are of the same moment.
function withItems (db: Database, { orders, orderItems }: Tables, id: Placeholder) {
  const { order_id, ...item } = getTableColumns(orderItems)
  return db.select({ order: getTableColumns(orders), item }).from(orders)
    .leftJoin(orderItems, eq(orderItems.order_id, orders.id)).where(eq(orders.id, id)).orderBy(asc(orderItems.id))
}

const pages = sqlList(orderList, {
  name: 'orders',
  schema: OrderSchema,
  table: ({ orders }) => orders,
  part: {
    name: 'items',
    schema: OrderItemSchema,
    from: ({ orderItems }) => ({
      columns: getTableColumns(orderItems),
      parent: orderItems.order_id,
      order: [{ column: orderItems.id, isDescending: false }]
    })
  }
})

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
    byId: ({ id }: Params<{ id: number }>) => withItems(db, tables, id)
  }
})

export type OrderRepository = ReturnType<typeof createOrderRepository>

/**
 * Orders with their items in the SQL database. `create` sends two statements: run it in a transaction.
 * @param db the handle to run on
 */
export function createOrderRepository (db: Database) {
  const run = queries.on(db)
  const readPage = pages.on(db)
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

    /** Orders with their items, newest first or as asked: always one statement. */
    async list (page: ListRequest & OrderFilter): Promise<Page<Order>> {
      return await readPage(page)
    }
  }
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
