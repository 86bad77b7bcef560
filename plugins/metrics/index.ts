import fp from 'fastify-plugin'
import { Registry } from 'prom-client'
import { measureBounds } from './bounds.ts'
import { measureDependencies } from './dependencies.ts'
import { measureHttp } from './http.ts'
import { measureInDoubt } from './in-doubt.ts'
import { measureLeftOut } from './left-out.ts'
import { measurePools } from './pools.ts'
import { countProblems, type ProblemRecord } from './problems.ts'
import { processRegistry } from './process.ts'
import { measurePair, measureProjections } from './projections.ts'
import { measureTransactions } from './transactions.ts'

export type { ProblemRecord } from './problems.ts'

/** What the service measures about itself. */
export interface Metrics {
  /**
   * Metrics of this app alone, never prom-client's global registry; add your own with `registers:
   * [app.metrics.registry]`.
   */
  registry: Registry
  /** Content-Type of `text()`. */
  contentType: string
  /** Everything in Prometheus' text format: this app, then the process. */
  text: () => Promise<string>
  /** The last answer of each problem type since the start, newest first. */
  problems: () => ProblemRecord[]
  /** True while the last COMMIT in SQL, of the last ten seconds, was not answered: as when a synchronous standby is away. */
  isCommitUnanswered: () => boolean
}

declare module 'fastify' {
  interface FastifyInstance {
    /** Metrics of the service; served on ADMIN_PORT. */
    metrics: Metrics
  }
}

/**
 * Measures requests, transactions, pools, projections and dependencies under OpenTelemetry's names where it has any.
 * Labels hold route patterns, never URLs, ids or messages.
 */
export default fp(async function metrics (app) {
  const registry = new Registry()
  const problems = countProblems(app, registry)
  measureHttp(app, registry, problems.getType)
  const isCommitUnanswered = measureTransactions(app, registry)
  measurePools(app, registry)
  measureBounds(app, registry)
  measureProjections(app, registry)
  measurePair(app, registry)
  measureInDoubt(app, registry)
  measureDependencies(app, registry)
  measureLeftOut(app, registry)
  app.decorate('metrics', {
    registry,
    contentType: registry.contentType,
    text: async () => `${await registry.metrics()}\n${await processRegistry().metrics()}`,
    problems: problems.latest,
    isCommitUnanswered
  })
}, {
  name: 'metrics',
  dependencies: ['config', 'errors', 'sql', 'mongo', 'transaction', 'health', 'concurrency', 'slow-readers', 'paging'],
  fastify: '5.x'
})
