import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyInstance } from 'fastify'
import type { ReplyOf, RequestOf } from '../../schemas/http.ts'
import { createOrderOperation, getOrderOperation, listOrdersOperation } from './operations.ts'

const orders: FastifyPluginAsyncTypebox = async function orders (app) {
  app.get('', { schema: listOrdersOperation }, listOrders)
  app.post('', { schema: createOrderOperation }, createOrder)
  app.get('/:id', { schema: getOrderOperation }, getOrder)
}

export default orders

async function listOrders (this: FastifyInstance, request: RequestOf<typeof listOrdersOperation>, reply: ReplyOf<typeof listOrdersOperation>) {
  return reply.page(await this.repositories.orders(request.db).list(request.query))
}

async function createOrder (this: FastifyInstance, request: RequestOf<typeof createOrderOperation>, reply: ReplyOf<typeof createOrderOperation>) {
  const order = await this.repositories.orders(request.db).create(request.body)
  reply.code(201).header('location', `/orders/${order.id}`)
  return order
}

async function getOrder (this: FastifyInstance, request: RequestOf<typeof getOrderOperation>) {
  const order = await this.repositories.orders(request.db).getById(request.params.id)
  this.assert(order, 404, 'Order not found')
  return order
}
