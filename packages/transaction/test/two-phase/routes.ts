// Without tap: a process that has it sends messages of its own.
import type { FastifyInstance } from 'fastify'
import type { RouteTransactionOptions } from '../../src/index.ts'

export interface Item {
  _id: number
  note?: string
}

/** Route options with a transaction in both stores. */
export function twoPhase (
  options: RouteTransactionOptions = {}
): { config: { transaction: RouteTransactionOptions } } {
  return { config: { transaction: { crossStore: 'two-phase', ...options } } }
}

/** `POST /both/:id` writes an item in both stores. */
export function addRoutes (app: FastifyInstance): void {
  app.post<{ Params: { id: string } }>('/both/:id', twoPhase(), async function both (request) {
    const id = Number(request.params.id)
    await request.transaction.query('insert into item values ($1)', [id])
    await request.mongo.collection<Item>('item').insertOne({ _id: id })
    return { id }
  })
}
