import { rules } from './rules.ts'

/** What a violated constraint means to a client. */
export interface ConstraintProblem {
  /** JSON pointer to the field of the body. */
  pointer: string
  /** Sentence that names the field, never its value. */
  detail: string
}

/**
 * Name of a constraint → what its violation means. A foreign key has two names: its own when a row refers to nothing,
 * and with ` on delete` when the row that goes is still referred to.
 */
export const constraintProblems: Readonly<Record<string, ConstraintProblem>> = {
  users_email_key: { pointer: '/email', detail: 'User with this email already exists' },
  users_email_check: { pointer: '/email', detail: rules.users_email_check.detail },
  users_name_check: { pointer: '/name', detail: rules.users_name_check.detail },
  orders_user_id_fkey: { pointer: '/user_id', detail: 'User not found' },
  'orders_user_id_fkey on delete': { pointer: '', detail: 'User still has orders' },
  orders_status_check: { pointer: '/status', detail: rules.orders_status_check.detail },
  orders_total_check: { pointer: '/items', detail: rules.orders_total_check.detail },
  order_items_order_id_fkey: { pointer: '', detail: 'Order not found' },
  order_items_product_check: { pointer: '/items', detail: `product ${rules.order_items_product_check.detail}` },
  order_items_quantity_check: { pointer: '/items', detail: `quantity ${rules.order_items_quantity_check.detail}` },
  order_items_unit_price_check: { pointer: '/items', detail: `unit_price ${rules.order_items_unit_price_check.detail}` }
}
