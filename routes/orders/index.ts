import { Type } from '@sinclair/typebox'
import type { FastifyInstance } from 'fastify'
import { CREATED_HEADERS, LIST_HEADERS, ref } from '../../schemas/common.ts'
import { defineRoute } from '../../schemas/http.ts'
import { OrderCreateSchema, orderList, OrderParamsSchema, OrderSchema } from '../../schemas/orders.ts'
import { problems } from '../../schemas/problem.ts'

const tags = ['orders']

const listOrders = defineRoute({
  method: 'GET',
  url: '',
  schema: {
    operationId: 'listOrders',
    summary: 'List orders with their items',
    description: 'Newest first; all, or those of one user or in one state.',
    tags,
    querystring: orderList.query,
    response: { 200: Type.Array(ref(OrderSchema), { description: 'A page of orders', headers: LIST_HEADERS }) }
  },
  handler: async function listOrders (request, reply) {
    return reply.page(await this.repositories.orders(request.db).list(request.query))
  }
})

const createOrder = defineRoute({
  method: 'POST',
  url: '',
  schema: {
    operationId: 'createOrder',
    summary: 'Create an order with its items',
    description: 'The order and all its items are stored, or nothing is. The total is computed.',
    tags,
    body: ref(OrderCreateSchema),
    response: {
      201: ref(OrderSchema, { description: 'The new order', headers: CREATED_HEADERS }),
      ...problems(409, 422)
    }
  },
  handler: async function createOrder (request, reply) {
    const order = await this.repositories.orders(request.db).create(request.body)
    reply.code(201).header('location', `/orders/${order.id}`)
    return order
  }
})

const getOrder = defineRoute({
  method: 'GET',
  url: '/:id',
  config: { conditional: true },
  schema: {
    operationId: 'getOrder',
    summary: 'Read an order',
    description: 'One order with its items.',
    tags,
    params: OrderParamsSchema,
    response: { 200: ref(OrderSchema, { description: 'The order' }), ...problems(404) }
  },
  handler: async function getOrder (request) {
    const order = await this.repositories.orders(request.db).getById(request.params.id)
    this.assert(order, 404, 'Order not found')
    return order
  }
})

export default async function orders (app: FastifyInstance): Promise<void> {
  app.describeTag('orders', 'What they ordered, with items; stored in PostgreSQL')
  for (const route of [listOrders, createOrder, getOrder]) app.route(route)
}
