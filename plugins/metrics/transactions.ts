import type { FastifyInstance } from 'fastify'
import { Counter, Gauge, Histogram, type Registry } from 'prom-client'

const STORES = ['sql', 'mongo'] as const
const OUTCOMES = ['committed', 'rolled_back', 'failed', 'lost', 'unknown'] as const
const BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]

type Store = typeof STORES[number]

/** Milliseconds for which a COMMIT without an answer says something of the next one. */
const UNANSWERED_MS = 10_000

/**
 * Counts transactions by store and outcome, and measures how long each was open.
 * @returns whether the last COMMIT in SQL was not answered, lately: most likely the next one would not be either
 */
export function measureTransactions (app: FastifyInstance, registry: Registry): () => boolean {
  const { ended, retries, statements, duration } = createMetrics([registry])
  const open = { sql: new Set<{ since: number }>(), mongo: new Set<{ since: number }>() }
  measureOpen(open, registry)
  let unansweredAt: number | undefined
  app.observeTransactions(({ store, attempt }) => {
    const entry = { since: performance.now() }
    open[store].add(entry)
    return {
      onEnd: (summary) => {
        open[store].delete(entry)
        const labels = { store, outcome: summary.outcome }
        ended.inc(labels)
        duration.observe(labels, summary.milliseconds / 1000)
        statements.inc({ store }, summary.statements)
        if (attempt > 1) retries.inc({ store })
        if (store !== 'sql') return
        if (summary.outcome === 'unknown') unansweredAt = performance.now()
        else if (summary.outcome === 'committed') unansweredAt = undefined
      }
    }
  })
  return () => unansweredAt !== undefined && performance.now() - unansweredAt < UNANSWERED_MS
}

function createMetrics (registers: Registry[]) {
  const ended = new Counter({
    name: 'tandem_transactions_total',
    help: 'Transactions that sent a statement, by how they ended',
    labelNames: ['store', 'outcome'],
    registers
  })
  const retries = new Counter({
    name: 'tandem_transaction_retries_total',
    help: 'Transactions that ran a handler again',
    labelNames: ['store'],
    registers
  })
  const statements = new Counter({
    name: 'tandem_transaction_statements_total',
    help: 'Statements sent in transactions, BEGIN and COMMIT not counted',
    labelNames: ['store'],
    registers
  })
  const duration = new Histogram({
    name: 'tandem_transaction_duration_seconds',
    help: 'From the first statement to the end, the wait for a connection included',
    labelNames: ['store', 'outcome'],
    buckets: BUCKETS,
    registers
  })
  // Zeros from the start, so that the first failure is an increase and not a new series.
  for (const store of STORES) {
    for (const outcome of OUTCOMES) ended.inc({ store, outcome }, 0)
    retries.inc({ store }, 0)
    statements.inc({ store }, 0)
  }
  return { ended, retries, statements, duration }
}

function measureOpen (open: Record<Store, Set<{ since: number }>>, registry: Registry): void {
  const measure = (gauge: Gauge<'store'>, value: (entries: Set<{ since: number }>) => number): void => {
    for (const store of STORES) gauge.set({ store }, value(open[store]))
  }
  new Gauge({
    name: 'tandem_transactions_open',
    help: 'Transactions that are open now',
    labelNames: ['store'],
    registers: [registry],
    collect () {
      measure(this, ({ size }) => size)
    }
  })
  new Gauge({
    name: 'tandem_transaction_oldest_seconds',
    help: 'Age of the oldest open transaction, 0 without one',
    labelNames: ['store'],
    registers: [registry],
    collect () {
      measure(this, getOldestAge)
    }
  })
}

// Sets keep the order of insertion, so the first entry is the oldest.
function getOldestAge (entries: Set<{ since: number }>): number {
  const [oldest] = entries
  return oldest === undefined ? 0 : (performance.now() - oldest.since) / 1000
}
