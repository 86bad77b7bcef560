import { sql, type Column, type SQL } from 'drizzle-orm'
import { ORDER_STATUSES, OrderItemCreateSchema } from '../schemas/orders.ts'
import { UserCreateSchema } from '../schemas/users.ts'

/** A rule that both dialects check. */
interface Rule {
  /** The condition of the CHECK. Numbers and words stand in the text: DDL cannot have parameters. */
  check: (column: Column) => SQL
  /** What a client is told, after the name of the field. */
  detail: string
}

const { email, name } = UserCreateSchema.properties
const { product, quantity } = OrderItemCreateSchema.properties

/** What both dialects check, by constraint name. Where the API checks a field, its bounds are said in schemas/ only. */
export const rules = {
  users_email_check: hasLength(email),
  users_name_check: hasLength(name),
  orders_status_check: isOneOf(ORDER_STATUSES),
  orders_total_check: { check: isNotNegative, detail: 'must not add up to less than zero' },
  order_items_product_check: hasLength(product),
  order_items_quantity_check: isBetween(quantity),
  order_items_unit_price_check: { check: isNotNegative, detail: 'must not be less than zero' }
} satisfies Record<string, Rule>

// LENGTH counts characters in both dialects.
function hasLength ({ minLength = 0, maxLength = 0 }: { minLength?: number; maxLength?: number }): Rule {
  return {
    check: (column) => sql`length(${column}) between ${raw(minLength)} and ${raw(maxLength)}`,
    detail: `must be ${minLength} to ${maxLength} characters long`
  }
}

function isBetween ({ minimum = 0, maximum = 0 }: { minimum?: number; maximum?: number }): Rule {
  return {
    check: (column) => sql`${column} between ${raw(minimum)} and ${raw(maximum)}`,
    detail: `must be ${minimum} to ${maximum}`
  }
}

function isOneOf (words: readonly string[]): Rule {
  return {
    check: (column) => sql`${column} in (${raw(words.map((word) => `'${word}'`).join(', '))})`,
    detail: `must be one of ${words.join(', ')}`
  }
}

// Money is text in SQLite.
function isNotNegative (amount: Column): SQL {
  return sql`cast(${amount} as numeric) >= 0`
}

function raw (text: string | number): SQL {
  return sql.raw(String(text))
}
