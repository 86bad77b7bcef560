import { ORDER_STATUSES, OrderItemCreateSchema } from '../schemas/orders.ts'
import { UserCreateSchema } from '../schemas/users.ts'
import { hasLength, isBetween, isNotNegative, isOneOf, type Rule } from './checks.ts'

const { email, name } = UserCreateSchema.properties
const { product, quantity } = OrderItemCreateSchema.properties

/** What both dialects check, by constraint name. Where the API checks a field, its bounds are said in schemas/ only. */
export const rules = {
  users_email_check: hasLength(email),
  users_name_check: hasLength(name),
  orders_status_check: isOneOf(ORDER_STATUSES),
  orders_total_check: isNotNegative('must not add up to less than zero'),
  order_items_product_check: hasLength(product),
  order_items_quantity_check: isBetween(quantity),
  order_items_unit_price_check: isNotNegative()
} satisfies Record<string, Rule>
