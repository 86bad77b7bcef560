import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { Transaction } from 'fastify-transaction'
import { findFence } from '../projections/fence/find.ts'
import type { SqlWrite } from './token.ts'

/** Where a request keeps what its transaction has written. */
export const announced = Symbol('consistency.announced')

/** The write of a transaction: a new attempt of a handler has a new transaction, and with it another event. */
interface WithWrite {
  [announced]: { transaction: Transaction; write: SqlWrite } | null
}

/** Names the pair of stores and its epoch; undefined while nothing is known of them. */
export function getTimeline (app: FastifyInstance): string | undefined {
  return findFence(app)?.timeline
}

/**
 * Notes the write of a request's transaction: on the request, because the entries of a WeakMap make each garbage
 * collection longer.
 */
export function setWrite (request: FastifyRequest, write: Omit<SqlWrite, 'timeline'> & Partial<SqlWrite>): void {
  const { topic, event, key, timeline = getTimeline(request.server) } = write
  if (timeline === undefined) return // nothing is known of the pair yet, so nothing could be confirmed
  ;(request as FastifyRequest & WithWrite)[announced] = {
    transaction: request.transaction,
    write: { topic, timeline, event, key }
  }
}

/** The write of a request's transaction, of this run of its handler. */
export function getWrite (request: FastifyRequest): SqlWrite | undefined {
  const found = (request as FastifyRequest & WithWrite)[announced]
  return found?.transaction === request.transaction ? found.write : undefined
}
