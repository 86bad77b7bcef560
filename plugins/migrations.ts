import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import { MigrationError } from '../drizzle/journal.ts'
import { migrate, pendingMigrations } from '../drizzle/migrate.ts'

/** How the tables and this version of the code fit together. `migrated meanwhile`: they fitted, then a newer version migrated. */
export type Fit = 'up' | 'migrations pending' | 'migrations ahead' | 'migrations differ' | 'migrated meanwhile'

declare module 'fastify' {
  interface FastifyInstance {
    /** Compares the migrations of the database with those of the code; the log says what does not fit, once for each change. */
    migrationFit: () => Promise<Fit>
  }
}

interface Finding { fit: Fit, reason?: string }

const BOOT_WAIT_MS = 5000
// Wrong credentials, no such role or database: waiting does not help.
const REFUSED = /^(28...|3D000)$/
// In production another version may be ahead for a moment; readiness tells. A developer has to decide.
const MISFIT = /^MIGRATION_/

/**
 * Brings the SQL database up to date in development; elsewhere only looks whether it lets us in and whether it fits. A
 * database that cannot be reached or does not fit does not stop the service: readiness says so until it does.
 */
export default fp(async function migrations (app) {
  app.decorate('migrationFit', watchFit(app))
  const { DATABASE_URL, NODE_ENV } = app.config
  if (app.offline || app.doubles.db || DATABASE_URL === undefined || DATABASE_URL === ':memory:') return
  try {
    if (NODE_ENV === 'development') {
      const done = await migrate(DATABASE_URL)
      if (done.length > 0) app.log.info({ migrations: done }, 'migrated')
    }
    await withinBootWait(app.migrationFit())
  } catch (error) {
    if (hasCode(error, REFUSED) || (NODE_ENV === 'development' && hasCode(error, MISFIT))) throw error
    app.log.warn({ err: error }, 'the SQL database is not as it should be; readiness says when it is')
  }
}, { name: 'migrations', dependencies: ['config', 'sql'], fastify: '5.x' })

function watchFit (app: FastifyInstance): () => Promise<Fit> {
  let last: Fit = 'up'
  let hasFitted = false
  return async () => {
    const { fit, reason } = await compare(app, hasFitted)
    hasFitted ||= fit === 'up'
    if (fit !== last) {
      if (reason === undefined) app.log.info('the migrations of the SQL database fit again')
      else app.log.warn({ reason }, fit)
    }
    last = fit
    return fit
  }
}

async function compare ({ db }: FastifyInstance, hasFitted: boolean): Promise<Finding> {
  try {
    const pending = await pendingMigrations(db)
    return pending.length === 0 ? { fit: 'up' } : { fit: 'migrations pending', reason: `${pending.join(', ')}: run npm run db:migrate` }
  } catch (error) {
    if (!(error instanceof MigrationError)) throw error
    const { code, message: reason } = error
    if (code !== 'MIGRATION_AHEAD') return { fit: 'migrations differ', reason }
    // While a new version is rolled out its migrations come first; the instances of the old one must not vanish.
    return { fit: hasFitted ? 'migrated meanwhile' : 'migrations ahead', reason }
  }
}

async function withinBootWait (work: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise((_resolve, reject) => {
    timer = setTimeout(() => { reject(new Error(`no answer within ${BOOT_WAIT_MS} ms`)) }, BOOT_WAIT_MS)
  })
  try {
    await Promise.race([work, late])
  } finally {
    clearTimeout(timer)
  }
}

function hasCode (error: unknown, codes: RegExp): boolean {
  for (let at = error; at instanceof Error; at = at.cause) {
    if ('code' in at && codes.test(String(at.code))) return true
  }
  return false
}
