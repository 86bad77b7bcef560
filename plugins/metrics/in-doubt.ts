import type { FastifyInstance } from 'fastify'
import type { InDoubt } from 'fastify-transaction'
import { Counter, Gauge, type Registry } from 'prom-client'

const DOUBTS = ['waiting', 'undecided', 'another pair', 'lost half'] as const satisfies Array<InDoubt['doubt']>

/** Transactions in both stores that have not ended, as this process last saw them; empty where there are none of the kind. */
export function getInDoubt (app: FastifyInstance): readonly InDoubt[] {
  return app.hasDecorator('twoPhase') ? app.twoPhase.inDoubt : []
}

/** Measures the transactions in both stores that have not ended, and counts those that this process has ended for others. */
export function measureInDoubt (app: FastifyInstance, registry: Registry): void {
  if (app.bothStores === undefined) return
  new Gauge({
    name: 'tandem_in_doubt_transactions',
    help: 'Transactions in both stores that have not ended, by reason',
    labelNames: ['doubt'] as const,
    registers: [registry],
    collect () {
      for (const doubt of DOUBTS) this.set({ doubt }, getInDoubt(app).filter((each) => each.doubt === doubt).length)
    }
  })
  new Gauge({
    name: 'tandem_in_doubt_oldest_seconds',
    help: 'Age of the oldest transaction in both stores that has not ended, 0 without one',
    registers: [registry],
    collect () {
      this.set(Math.max(0, ...getInDoubt(app).map(({ age }) => age)) / 1000)
    }
  })
  new Counter({
    name: 'tandem_in_doubt_settled_total',
    help: 'Transactions in both stores that this process has ended in place of the one that began them',
    labelNames: ['decision'] as const,
    registers: [registry],
    collect () {
      this.reset()
      for (const decision of ['commit', 'abort'] as const) this.inc({ decision }, app.twoPhase.settled[decision])
    }
  })
}
