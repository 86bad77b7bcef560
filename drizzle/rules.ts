import { sql, type Column } from 'drizzle-orm'

/** States an order can be in; the first is the default. */
export const ORDER_STATUSES = ['pending', 'paid', 'shipped', 'cancelled'] as const

// Numbers stand in the text: DDL cannot have parameters. LENGTH counts characters in both dialects.
/** What both dialects check, by constraint name, so that a rule is written once. */
export const rules = {
  users_email_check: (email: Column) => sql`length(${email}) between 3 and 254`,
  users_name_check: (name: Column) => sql`length(${name}) between 1 and 200`,
  orders_status_check: (status: Column) => sql`${status} in ('pending', 'paid', 'shipped', 'cancelled')`,
  orders_total_check: (total: Column) => sql`cast(${total} as numeric) >= 0`,
  order_items_product_check: (product: Column) => sql`length(${product}) between 1 and 200`,
  order_items_quantity_check: (quantity: Column) => sql`${quantity} between 1 and 10000`,
  order_items_unit_price_check: (price: Column) => sql`cast(${price} as numeric) >= 0`
}
