import type { FastifyInstance } from 'fastify'
import { Counter, type Registry } from 'prom-client'

/** Counts documents that lists could not show. */
export function measureLeftOut (app: FastifyInstance, registry: Registry): void {
  const counter = new Counter({
    name: 'tandem_documents_left_out_total',
    help: 'Documents that a read could not show because they do not fit its schema, by collection',
    labelNames: ['collection'],
    registers: [registry],
    collect () {
      counter.reset()
      for (const [collection, count] of app.leftOut) counter.inc({ collection }, count)
    }
  })
}
