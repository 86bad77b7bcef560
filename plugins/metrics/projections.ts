import type { FastifyInstance } from 'fastify'
import { Counter, Gauge, type Registry } from 'prom-client'

/** One direction of one projection, as its plugin reports it. */
export interface ProjectionState {
  direction: 'sql_to_mongo' | 'mongo_to_sql'
  name: string
  /** What its plugin says it does, for example `working`, `following` or `backing off`. */
  state: string
  /** How far the copy is behind, at most; undefined where only another process knows. */
  lagSeconds: number | undefined
  applied: number
  /** True while no process has followed the stream for ten seconds. */
  isLeaderless: boolean
  /** Rows that wait, are parked, and tries that failed; known for the outbox only. */
  waiting: number | undefined
  parked: number | undefined
  failed: number | undefined
}

/** Both directions, from memory; empty where an app has no projections. */
export function getProjections (app: FastifyInstance): ProjectionState[] {
  const outbox = app.hasDecorator('outbox') ? app.outbox.stats() : []
  const streams = app.hasDecorator('changeStream') ? app.changeStream.stats() : []
  return [
    ...outbox.map(({ topic, state, oldestMs, applied, waiting, parked, failed }) => (
      {
        direction: 'sql_to_mongo' as const,
        name: topic,
        state,
        lagSeconds: oldestMs / 1000,
        applied,
        isLeaderless: false,
        waiting,
        parked,
        failed
      }
    )),
    ...streams.map(({ stream, state, lagMs, applied, isLeaderless }) => ({
      direction: 'mongo_to_sql' as const,
      name: stream,
      state,
      lagSeconds: lagMs === undefined ? undefined : lagMs / 1000,
      applied,
      isLeaderless,
      waiting: undefined,
      parked: undefined,
      failed: undefined
    }))
  ]
}

/** Measures lag, backlog, parked rows and progress of both directions. */
export function measureProjections (app: FastifyInstance, registry: Registry): void {
  const labelNames = ['direction', 'projection'] as const
  const registers = [registry]
  const gauge = (name: string, help: string, value: (projection: ProjectionState) => number | undefined): void => {
    new Gauge({
      name,
      help,
      labelNames,
      registers,
      collect () {
        fill(this, value)
      }
    })
  }
  const counter = (name: string, help: string, value: (projection: ProjectionState) => number | undefined): void => {
    new Counter({
      name,
      help,
      labelNames,
      registers,
      collect () {
        fill(this, value)
      }
    })
  }
  // Another process may have taken a projection over, so the last values are forgotten each time.
  const fill = (
    metric: Gauge<typeof labelNames[number]> | Counter<typeof labelNames[number]>,
    value: (projection: ProjectionState) => number | undefined
  ): void => {
    metric.reset()
    for (const projection of getProjections(app)) {
      const measured = value(projection)
      if (measured !== undefined) metric.inc({ direction: projection.direction, projection: projection.name }, measured)
    }
  }
  gauge('tandem_projection_lag_seconds', 'How far the other store is behind, at most', ({ lagSeconds }) => lagSeconds)
  gauge(
    'tandem_projection_backing_off',
    '1 while a projection cannot go on and tries again',
    ({ state }) => state === 'backing off' ? 1 : 0
  )
  gauge(
    'tandem_projection_without_leader',
    '1 while no process has carried a projection over for ten seconds',
    ({ isLeaderless }) => isLeaderless ? 1 : 0
  )
  gauge('tandem_projection_waiting', 'Outbox rows that wait to be applied', ({ waiting }) => waiting)
  gauge(
    'tandem_projection_parked',
    'Outbox rows that failed too often and wait for somebody to look at them',
    ({ parked }) => parked
  )
  counter('tandem_projection_applied_total', 'Events and changes applied by this process', ({ applied }) => applied)
  counter('tandem_projection_failed_total', 'Tries that failed in this process', ({ failed }) => failed)
}

const CONDITIONS = ['up', 'repairing copies', 'not one pair'] as const

/** Measures whether both stores belong together, and how many posts went with their authors. */
export function measurePair (app: FastifyInstance, registry: Registry): void {
  // Absent where a test's double stands in for a database.
  const found = () => app.hasDecorator('projections') ? app.projections : undefined
  new Gauge({
    name: 'tandem_pair_condition',
    help: '1 for what the two stores are to each other: up, repairing copies, or not one pair',
    labelNames: ['condition'] as const,
    registers: [registry],
    collect () {
      const condition = found()?.fence.condition
      for (const each of condition === undefined ? [] : CONDITIONS) {
        this.set({ condition: each }, condition === each ? 1 : 0)
      }
    }
  })
  new Counter({
    name: 'tandem_pair_repairs_total',
    help: 'Times this process found that a store had gone back, and began to repair',
    registers: [registry],
    collect () {
      this.reset()
      this.inc(found()?.fence.repairs ?? 0)
    }
  })
  new Counter({
    name: 'tandem_projection_removed_posts_total',
    help: 'Posts that this process removed because their author was deleted',
    registers: [registry],
    collect () {
      this.reset()
      this.inc(found()?.removedPosts ?? 0)
    }
  })
}
