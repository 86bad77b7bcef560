import { Type, type Static } from '@sinclair/typebox'
import { AmountSchema, IdSchema, line, MAX_ID, oneOf, ref, TimestampSchema } from './common.ts'
import { defineList } from './list.ts'

const product = line(1, 200, { examples: ['Punched cards'] })
const quantity = Type.Integer({ minimum: 1, maximum: 10_000, examples: [2] })

/** States an order can be in; the first is the default. */
export const ORDER_STATUSES = ['pending', 'paid', 'shipped', 'cancelled'] as const

export const OrderItemSchema = Type.Object({
  id: IdSchema,
  product,
  quantity,
  unit_price: AmountSchema
}, { $id: 'OrderItem', additionalProperties: false })

export const OrderSchema = Type.Object({
  id: IdSchema,
  user_id: IdSchema,
  status: oneOf(ORDER_STATUSES, { examples: ['pending'] }),
  total: Type.String({ description: 'Exact sum of the items, two places', examples: ['39.80'] }),
  created_at: TimestampSchema,
  items: Type.Array(ref(OrderItemSchema))
}, { $id: 'Order', additionalProperties: false, description: 'What a person ordered' })

export const OrderItemCreateSchema = Type.Object({
  product,
  quantity,
  unit_price: AmountSchema
}, { $id: 'OrderItemCreate', additionalProperties: false })

export const OrderCreateSchema = Type.Object({
  user_id: IdSchema,
  items: Type.Array(ref(OrderItemCreateSchema), { minItems: 1, maxItems: 100 })
}, { $id: 'OrderCreate', additionalProperties: false })

export const OrderParamsSchema = Type.Object({ id: { ...IdSchema, description: 'Id of the order' } })

export const orderList = defineList(OrderSchema, {
  ids: 'row',
  order: '-created_at',
  sort: { created_at: 'date', total: 'decimal' },
  filters: {
    user_id: Type.Integer({ minimum: 1, maximum: MAX_ID, description: 'Only orders of this user' }),
    status: oneOf(ORDER_STATUSES, { description: 'Only orders in this state' })
  },
  unique: {}
})

export type Order = Static<typeof OrderSchema>
export type OrderCreate = Static<typeof OrderCreateSchema>
