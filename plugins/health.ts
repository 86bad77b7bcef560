import { Type } from '@sinclair/typebox'
import type { FastifyInstance, FastifyReply } from 'fastify'
import fp from 'fastify-plugin'
import { withTimeout } from './common/with-timeout.ts'
import { getInDoubt } from './metrics/in-doubt.ts'
import { getProjections } from './metrics/projections.ts'
import type { MigrationStatus } from './migrations.ts'
import type { Fence } from './projections/fence/fence.ts'
import { findFence } from './projections/fence/find.ts'
import { Pool } from './sql/postgres/pool.ts'

/** What a dependency may say of itself; never a host, a version or the text of an error. */
export type Condition =
  | 'up'
  | 'degraded'
  | 'down'
  | 'no answer'
  | 'read only'
  | 'commits unanswered'
  | MigrationStatus
  | Fence['condition']

declare module 'fastify' {
  interface FastifyInstance {
    /**
     * Adds a dependency to /readyz.
     * @param name what it is called in the answer
     * @param check its condition; the service is ready while all say `up`, `degraded` or `migrated meanwhile`. A throw
     * or no answer within a second counts as down
     */
    addReadiness: (name: string, check: () => Condition | Promise<Condition>) => void
    /** What /readyz says, at most a second old. */
    readiness: () => Promise<Readiness>
  }
}

/** Whether requests should be sent here, and the condition of each dependency. */
export interface Readiness {
  status: 'ready' | 'degraded' | 'not ready' | 'draining'
  checks: Record<string, Condition>
  /** Seconds each projection is behind, at most; every instance knows it, from the tables. */
  lag_seconds?: Record<string, number>
  /** Projections that no instance has carried over for ten seconds; left out while there is none. */
  without_leader?: string[]
  /** Transactions in both stores that have not ended for ten seconds; left out while there is none. */
  in_doubt?: number
}

type Check = () => Condition | Promise<Condition>

const READY = new Set<Condition>(['up', 'degraded', 'migrated meanwhile', 'repairing copies'])
const STORES = new Set(['sql', 'mongodb'])
/** Of a store that nobody can use now, whichever instance a client asks. */
const AWAY = new Set<Condition>(['down', 'no answer', 'read only', 'commits unanswered'])
const CACHE_MS = 1000
const CHECK_MS = 1000
const IN_DOUBT_MS = 10_000

const AliveSchema = Type.Object({ status: Type.Literal('alive') }, {
  $id: 'Alive',
  description: 'The process runs',
  additionalProperties: false
})
const ReadinessSchema = Type.Object({
  status: Type.String({
    description:
      'ready; degraded: one store takes no writes, routes of the other one work; not ready or draining: send requests elsewhere'
  }),
  checks: Type.Record(Type.String(), Type.String(), { description: 'Condition of each dependency' }),
  lag_seconds: Type.Optional(Type.Record(Type.String(), Type.Number(), {
    description:
      'How far the copy of each is behind in the other store, at most; a copy that is behind is no reason to send requests elsewhere'
  })),
  without_leader: Type.Optional(Type.Array(Type.String(), {
    description: 'Copies that no instance has carried over for ten seconds'
  })),
  in_doubt: Type.Optional(Type.Integer({
    minimum: 1,
    description: 'Transactions in both stores that have not ended for ten seconds'
  }))
}, {
  $id: 'Readiness',
  description: 'Whether requests should be sent here',
  additionalProperties: false
})
// Load balancers may add parameters of their own.
const querystring = { type: 'object', properties: {}, additionalProperties: true }
const ALIVE = {
  operationId: 'isAlive',
  summary: 'Whether the process runs',
  description: 'Touches no database.',
  tags: ['health'],
  querystring,
  response: { 200: { $ref: 'Alive#' } }
}
const READY_EXAMPLE = { status: 'ready', checks: { sql: 'up', mongodb: 'up' }, lag_seconds: { users: 0, posts: 0.02 } }
const NOT_READY_EXAMPLE = { status: 'not ready', checks: { sql: 'down', mongodb: 'down' } }

/** Answers /livez without touching a database, /readyz and /healthz from checks that are at most a second old. */
export default fp(async function health (app) {
  const checks = new Map<string, Check>()
  const readiness = cached(() => getReport(checks, app.config.READY_WHEN))
  app.decorate('addReadiness', (name, check) => {
    checks.set(name, check)
  })
  app.decorate('readiness', async () => {
    const report = await readiness()
    return app.isDraining() ? { ...report, status: 'draining' as const } : report
  })
  if (!app.doubles.db) app.addReadiness('sql', () => getSqlCondition(app))
  if (!app.doubles.mongo) app.addReadiness('mongodb', () => app.mongoState.state)

  app.describeTag('health', 'For load balancers and orchestrators')
  app.addSchema(AliveSchema)
  app.addSchema(ReadinessSchema)
  app.get('/livez', { schema: ALIVE }, function isAlive () {
    return { status: 'alive' }
  })
  app.get('/readyz', { schema: describe('isReady', 'Whether requests should be sent here') }, answerReadiness)
  app.get('/healthz', { schema: describe('isHealthy', 'The same as /readyz') }, answerReadiness)

  async function answerReadiness (_request: unknown, reply: FastifyReply): Promise<Readiness> {
    const report = await app.readiness()
    reply.code(report.status === 'ready' || report.status === 'degraded' ? 200 : 503).header(
      'cache-control',
      'no-store'
    )
    return { ...report, ...describeCopies(app), ...describeInDoubt(app) }
  }
}, { name: 'health', dependencies: ['config', 'errors', 'openapi', 'drain', 'migrations', 'mongo'], fastify: '5.x' })

function describeCopies (app: FastifyInstance): Pick<Readiness, 'lag_seconds' | 'without_leader'> {
  const lag = lags(app)
  const leaderless = getProjections(app).filter(({ isLeaderless }) => isLeaderless).map(({ name }) => name)
  return {
    ...(Object.keys(lag).length === 0 ? {} : { lag_seconds: lag }),
    ...(leaderless.length === 0 ? {} : { without_leader: leaderless })
  }
}

function describeInDoubt (app: FastifyInstance): Pick<Readiness, 'in_doubt'> {
  const count = getInDoubt(app).filter(({ age }) => age > IN_DOUBT_MS).length
  return count === 0 ? {} : { in_doubt: count }
}

/** A database that is not MongoDB's other half takes no statement, not even the question for its migrations. */
async function getSqlCondition (app: FastifyInstance): Promise<Condition> {
  const fence = findFence(app)
  // Perhaps an operator has put it right meanwhile.
  if (fence?.condition === 'not one pair') await fence.compare().catch(() => {})
  const pair = fence?.condition ?? 'up'
  if (pair === 'not one pair') return pair
  if (areCommitsUnanswered(app)) return 'commits unanswered'
  if (isFull(app)) return 'degraded'
  if (await isReadOnly(app)) return 'read only'
  const condition = await app.migrationStatus()
  return condition === 'up' ? pair : condition
}

function areCommitsUnanswered (app: FastifyInstance): boolean {
  const pool = app.hasDecorator('pg') ? app.pg.pool : undefined
  if (pool instanceof Pool && pool.refusesWrites) return true
  return app.hasDecorator('metrics') && app.metrics.isCommitUnanswered()
}

/** A standby, or a server that was made read only: every write there would be answered with 503. */
async function isReadOnly ({ pg }: FastifyInstance): Promise<boolean> {
  if (pg === undefined) return false
  const text = "SELECT pg_is_in_recovery() OR current_setting('default_transaction_read_only')::bool AS is_read_only"
  const { rows } = await pg.query<{ is_read_only: boolean }>(text)
  return rows[0]?.is_read_only === true
}

function describe (operationId: string, summary: string) {
  const description = 'Both stores, the migrations and the drain, at most a second old.'
  const response = {
    200: describeReport('Requests may be sent here', READY_EXAMPLE),
    503: describeReport('Requests should be sent elsewhere', NOT_READY_EXAMPLE)
  }
  return { operationId, summary, description, tags: ['health'], querystring, response }
}

function describeReport (description: string, example: object) {
  return { description, content: { 'application/json': { schema: { $ref: 'Readiness#' }, example } } }
}

function lags (app: FastifyInstance): Record<string, number> {
  return Object.fromEntries(
    getProjections(app).flatMap(({ name, lagSeconds }) => lagSeconds === undefined ? [] : [[name, lagSeconds]])
  )
}

/**
 * With every connection in use a check would only wait in the queue, and take instances away just when they are needed.
 * Attempts to connect to a server that is down fill the pool as well.
 */
function isFull ({ pg }: FastifyInstance): boolean {
  if (pg === undefined || (pg.pool instanceof Pool && pg.pool.isRefused)) return false
  const { idleCount, totalCount, waitingCount, options } = pg.pool
  return idleCount - waitingCount <= 0 && totalCount >= options.max
}

async function getReport (checks: Map<string, Check>, readyWhen: 'any' | 'all'): Promise<Readiness> {
  const conditions = await Promise.all(
    [...checks].map(async ([name, check]) => [name, await getCondition(check)] as const)
  )
  return { status: getStatus(conditions, readyWhen), checks: Object.fromEntries(conditions) }
}

/**
 * An instance that is taken away because one store is away would take the routes of the other store with it, and all
 * instances would be gone at once. What is wrong in another way is wrong with this instance.
 */
function getStatus (
  checks: Array<readonly [string, Condition]>,
  readyWhen: 'any' | 'all'
): 'ready' | 'degraded' | 'not ready' {
  const wrong = checks.filter(([, condition]) => !READY.has(condition))
  if (wrong.length === 0) return 'ready'
  const stores = checks.filter(([name]) => STORES.has(name))
  const isServing = readyWhen === 'any' && wrong.length < stores.length &&
    wrong.every(([name, condition]) => STORES.has(name) && AWAY.has(condition))
  return isServing ? 'degraded' : 'not ready'
}

async function getCondition (check: Check): Promise<Condition> {
  try {
    return await withTimeout(Promise.resolve(check()), CHECK_MS, () => 'no answer' as const)
  } catch {
    return 'down'
  }
}

// One round of checks serves every probe of the next second, also those that arrive while it runs.
function cached (work: () => Promise<Readiness>): () => Promise<Readiness> {
  let last: Promise<Readiness> | undefined
  let until = 0
  return async () => {
    if (last === undefined || Date.now() >= until) {
      last = work()
      until = Date.now() + CACHE_MS
    }
    return await last
  }
}
