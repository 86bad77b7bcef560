import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import type pg from 'pg'
import type { TwoPhaseOptions } from 'fastify-transaction'
import { withTimeout } from './common/with-timeout.ts'
import { findFence } from './projections/fence/find.ts'
import { closeWithApp, toPoolConfig } from './sql/postgres/background.ts'
import { Pool } from './sql/postgres/pool.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /**
     * How both stores commit with one outcome; undefined where they cannot, and routes that need it are not to be
     * registered.
     */
    bothStores: TwoPhaseOptions | undefined
  }
}

const CONNECTIONS = 2
const PATIENCE_MS = 2000
// A server that has gone silent; longer than any statement of recovery takes.
const SILENCE_MS = 10_000

/**
 * Finds out whether the stores can commit with one outcome (`crossStore: 'two-phase'`), and opens the connections by
 * which what a killed process has left is ended.
 */
export default fp(async function twoPhase (app) {
  const pool = isPostgres(app) ? openPool(app) : undefined
  const obstacle = await findObstacle(app, pool)
  app.decorate('bothStores', pool === undefined || obstacle !== undefined ? undefined : getOptions(app, pool))
  if (obstacle !== undefined && !app.doubles.db && !app.doubles.mongo) {
    app.log.info(
      { reason: obstacle },
      'no route commits both stores at once, POST /users/with-post is left out; see docs/two-phase.md'
    )
  }
}, { name: 'two-phase', dependencies: ['config', 'sql', 'mongo', 'migrations'], fastify: '5.x' })

function isPostgres ({ sqlite, doubles }: FastifyInstance): boolean {
  return sqlite === undefined && !doubles.db && !doubles.mongo
}

function openPool (app: FastifyInstance): pg.Pool {
  const config = toPoolConfig(app, { name: 'tandem recovery', max: CONNECTIONS, silenceMs: SILENCE_MS })
  const pool = new Pool(config, { size: CONNECTIONS, maxWaiting: 1000, prePing: true, queryTimeout: SILENCE_MS })
  closeWithApp(app, 'recovery', [pool])
  return pool
}

/** Why the stores cannot do it, in words for the log; undefined where they can, and where a store cannot be asked yet. */
async function findObstacle (app: FastifyInstance, pool: pg.Pool | undefined): Promise<string | undefined> {
  if (pool === undefined) return 'it needs PostgreSQL and MongoDB'
  if (app.offline) return undefined
  const asking = pool.query<{ most: number; has_table: boolean }>(
    "SELECT current_setting('max_prepared_transactions')::int AS most, to_regclass('two_phase_commits') IS NOT NULL AS has_table"
  )
  const answer = await withTimeout(asking.catch(() => undefined), PATIENCE_MS, () => undefined)
  const [row] = answer?.rows ?? []
  if (row === undefined) return undefined
  if (row.most === 0) return 'max_prepared_transactions of PostgreSQL is 0'
  return row.has_table ? undefined : 'the migrations that it needs have not run'
}

/** The fence knows which pair of stores this is, and notices when one is another or went back. */
function getOptions (app: FastifyInstance, pool: pg.Pool): TwoPhaseOptions {
  return {
    pool,
    pair: () => {
      const fence = findFence(app)
      return fence?.condition === 'not one pair' ? undefined : fence?.timeline
    },
    compare: async () => {
      app.mongoState.assertUp()
      // Where a store went back the fence waits for what is prepared: then nothing is known, and nothing is touched.
      await withTimeout(findFence(app)?.compare() ?? Promise.resolve(), PATIENCE_MS, () => {
        throw new Error('the two stores were not compared in time')
      })
    }
  }
}
