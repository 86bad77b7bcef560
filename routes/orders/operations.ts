import { Type } from '@sinclair/typebox'
import { CREATED_HEADERS, LIST_HEADERS, ref } from '../../schemas/common.ts'
import { OrderCreateSchema, OrderListQuerySchema, OrderParamsSchema, OrderSchema } from '../../schemas/orders.ts'
import { problems } from '../../schemas/problem.ts'

const tags = ['orders']

export const listOrdersOperation = {
  operationId: 'listOrders',
  summary: 'List orders with their items',
  description: 'Newest first; all, or those of one user.',
  tags,
  querystring: OrderListQuerySchema,
  response: { 200: Type.Array(ref(OrderSchema), { description: 'A page of orders', headers: LIST_HEADERS }) }
}

export const createOrderOperation = {
  operationId: 'createOrder',
  summary: 'Create an order with its items',
  description: 'The order and all its items are stored, or nothing is. The total is computed.',
  tags,
  body: ref(OrderCreateSchema),
  response: { 201: ref(OrderSchema, { description: 'The new order', headers: CREATED_HEADERS }), ...problems(409, 422) }
}

export const getOrderOperation = {
  operationId: 'getOrder',
  summary: 'Read an order',
  description: 'One order with its items.',
  tags,
  params: OrderParamsSchema,
  response: { 200: ref(OrderSchema, { description: 'The order' }), ...problems(404) }
}
