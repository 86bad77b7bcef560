import type { FastifyReply, FastifyRequest, preHandlerHookHandler } from 'fastify'
import type { List } from '../../schemas/list.ts'
import { getFilters, getOrder, parseCursor } from './cursor.ts'

interface Asked {
  sort?: string
  after?: string
}

/** A hook that refuses what the indexes of a list do not have, and cursors of another order, with 400. */
export function checkList (list: List): preHandlerHookHandler {
  return function checkListRequest (
    request: FastifyRequest,
    _reply: FastifyReply,
    done: (error?: Error) => void
  ): void {
    const error = findError(list, request.query as Asked)
    if (error === undefined) return done()
    done(request.server.createProblem(400, 'The query of the request has 1 error', {
      type: 'invalid-request',
      errors: [{ ...error, in: 'query' }]
    }))
  }
}

function findError (list: List, asked: Asked): { pointer: string; detail: string } | undefined {
  const order = getOrder(list, asked.sort)
  const filters = getFilters(list, asked)
  const filter = filters.some((name) => list.filters[name]?.isUnique) ? undefined : filters[0]
  if (filter !== undefined && order.column !== list.order.column) {
    const { column } = list.order
    return { pointer: '/sort', detail: `together with ${filter} must be ${column} or -${column}` }
  }
  if (asked.after === undefined || parseCursor(list, order, asked.after) !== undefined) return undefined
  return {
    pointer: '/after',
    detail: 'is the cursor of another sort: take it from the Link header of a page by this one'
  }
}
