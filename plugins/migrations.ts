import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import { MigrationError } from '../drizzle/journal.ts'
import { migrate, pendingMigrations } from '../drizzle/migrate.ts'
import { assertPlacement, PlacementError } from '../drizzle/placement.ts'
import { getCauses } from './common/causes.ts'
import { withTimeout } from './common/with-timeout.ts'

/**
 * How the migrations of the database compare with those of the code. `migrated meanwhile`: they were the same, then a
 * newer version migrated.
 */
export type MigrationStatus =
  | 'up'
  | 'migrations pending'
  | 'migrations ahead'
  | 'migrations differ'
  | 'migrated meanwhile'

declare module 'fastify' {
  interface FastifyInstance {
    /**
     * Compares the migrations of the database with those of the code; the log says what differs, once for each change.
     */
    migrationStatus: () => Promise<MigrationStatus>
  }
}

interface Finding {
  status: MigrationStatus
  reason?: string
}

const BOOT_WAIT_MS = 5000
// Wrong credentials, no such role or database: waiting does not help.
const REFUSED = /^(28...|3D000)$/
// In production another version may be ahead for a moment; readiness tells. A developer has to decide.
const MISFIT = /^MIGRATION_/

/**
 * Brings the SQL database up to date in development; elsewhere only looks whether it lets us in and whether it has the
 * same migrations. A database that cannot be reached or differs does not stop the service: readiness says so until it
 * does. One whose tables lie in another schema does.
 */
export default fp(async function migrations (app) {
  app.decorate('migrationStatus', watchStatus(app))
  const { DATABASE_URL, NODE_ENV } = app.config
  if (app.offline || app.doubles.db || DATABASE_URL === undefined || DATABASE_URL === ':memory:') return
  try {
    if (NODE_ENV === 'development') {
      const done = await migrate(DATABASE_URL)
      if (done.length > 0) app.log.info({ migrations: done }, 'migrated')
    }
    await withTimeout(lookAtTables(app), BOOT_WAIT_MS, () => {
      throw new Error(`no answer within ${BOOT_WAIT_MS} ms`)
    })
  } catch (error) {
    if (
      error instanceof PlacementError || hasCode(error, REFUSED) ||
      (NODE_ENV === 'development' && hasCode(error, MISFIT))
    ) throw error
    app.log.warn({ err: error }, 'the SQL database is not as it should be; readiness says when it is')
  }
}, { name: 'migrations', dependencies: ['config', 'sql'], fastify: '5.x' })

async function lookAtTables (app: FastifyInstance): Promise<void> {
  if (await app.migrationStatus() === 'up') await assertPlacement(app.db)
}

function watchStatus (app: FastifyInstance): () => Promise<MigrationStatus> {
  let last: MigrationStatus = 'up'
  let hasMatched = false
  return async () => {
    const { status, reason } = await compare(app, hasMatched)
    hasMatched ||= status === 'up'
    if (status !== last) {
      if (reason === undefined) app.log.info('the migrations of the SQL database are those of the code again')
      else app.log.warn({ reason }, status)
    }
    last = status
    return status
  }
}

async function compare ({ db }: FastifyInstance, hasMatched: boolean): Promise<Finding> {
  try {
    const pending = await pendingMigrations(db)
    return pending.length === 0
      ? { status: 'up' }
      : { status: 'migrations pending', reason: `${pending.join(', ')}: run npm run db:migrate` }
  } catch (error) {
    if (!(error instanceof MigrationError)) throw error
    const { code, message: reason } = error
    if (code !== 'MIGRATION_AHEAD') return { status: 'migrations differ', reason }
    // While a new version is rolled out its migrations come first; the instances of the old one must not vanish.
    return { status: hasMatched ? 'migrated meanwhile' : 'migrations ahead', reason }
  }
}

function hasCode (error: unknown, codes: RegExp): boolean {
  return getCauses(error).some(({ code }) => codes.test(String(code)))
}
