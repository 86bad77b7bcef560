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
  /** Who carries it over: this process, another one, none, or all of them together. */
  leader: 'this process' | 'another process' | 'none' | 'every process'
  /** Since when that one does; undefined where all do, or where it is not known. */
  ledSince: Date | undefined
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
        leader: 'every process' as const,
        ledSince: undefined,
        waiting,
        parked,
        failed
      }
    )),
    ...streams.map(({ stream, state, lagMs, applied, isLeaderless, ledSince }) => ({
      direction: 'mongo_to_sql' as const,
      name: stream,
      state,
      lagSeconds: lagMs === undefined ? undefined : lagMs / 1000,
      applied,
      isLeaderless,
      leader: getLeader(state, isLeaderless),
      ledSince,
      waiting: undefined,
      parked: undefined,
      failed: undefined
    }))
  ]
}

const LEADS = new Set(['copying', 'following', 'backing off'])

function getLeader (state: string, isLeaderless: boolean): ProjectionState['leader'] {
  if (isLeaderless) return 'none'
  return LEADS.has(state) ? 'this process' : 'another process'
}

interface Measure {
  type: typeof Gauge | typeof Counter
  name: string
  help: string
  value: (projection: ProjectionState) => number | undefined
}

const MEASURES: Measure[] = [
  {
    type: Gauge,
    name: 'tandem_projection_lag_seconds',
    help: 'How far the other store is behind, at most',
    value: ({ lagSeconds }) => lagSeconds
  },
  {
    type: Gauge,
    name: 'tandem_projection_backing_off',
    help: '1 while a projection cannot go on and tries again',
    value: ({ state }) => state === 'backing off' ? 1 : 0
  },
  {
    type: Gauge,
    name: 'tandem_projection_without_leader',
    help: '1 while no process has carried a projection over for ten seconds',
    value: ({ isLeaderless }) => isLeaderless ? 1 : 0
  },
  {
    type: Gauge,
    name: 'tandem_projection_waiting',
    help: 'Outbox rows that wait to be applied',
    value: ({ waiting }) => waiting
  },
  {
    type: Gauge,
    name: 'tandem_projection_parked',
    help: 'Outbox rows that failed too often and wait for somebody to look at them',
    value: ({ parked }) => parked
  },
  {
    type: Counter,
    name: 'tandem_projection_applied_total',
    help: 'Events and changes applied by this process',
    value: ({ applied }) => applied
  },
  {
    type: Counter,
    name: 'tandem_projection_failed_total',
    help: 'Tries that failed in this process',
    value: ({ failed }) => failed
  }
]

/** Measures lag, backlog, parked rows and progress of both directions. */
export function measureProjections (app: FastifyInstance, registry: Registry): void {
  for (const { type: Metric, name, help, value } of MEASURES) {
    new Metric({
      name,
      help,
      labelNames: ['direction', 'projection'],
      registers: [registry],
      collect () {
        // Another process may have taken a projection over, so the last values are forgotten each time.
        this.reset()
        for (const projection of getProjections(app)) {
          const { direction, name } = projection
          const measured = value(projection)
          if (measured !== undefined) this.inc({ direction, projection: name }, measured)
        }
      }
    })
  }
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
