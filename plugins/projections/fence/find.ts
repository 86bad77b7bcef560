import type { FastifyInstance } from 'fastify'
import type { Fence } from './fence.ts'

/** What keeps the two stores one pair; undefined where a test's double stands in for one of them. */
export function findFence (app: FastifyInstance): Fence | undefined {
  return app.hasDecorator('projections') ? app.projections.fence : undefined
}
