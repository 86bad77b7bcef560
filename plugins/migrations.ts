import fp from 'fastify-plugin'
import { migrate, pendingMigrations } from '../drizzle/migrate.ts'

const BOOT_WAIT_MS = 5000
// Wrong credentials, no such role or database: waiting does not help.
const REFUSED = /^(28...|3D000)$/
// In production another version may be ahead for a moment; readiness tells. A developer has to decide.
const MISFIT = /^MIGRATION_/

/**
 * Brings the SQL database up to date in development; elsewhere only looks whether it lets us in. A database that cannot
 * be reached does not stop the service: readiness says so until it can.
 */
export default fp(async function migrations (app) {
  const { DATABASE_URL, NODE_ENV } = app.config
  if (app.offline || app.doubles.db || DATABASE_URL === undefined || DATABASE_URL === ':memory:') return
  try {
    if (NODE_ENV === 'development') {
      const done = await migrate(DATABASE_URL)
      if (done.length > 0) app.log.info({ migrations: done }, 'migrated')
    } else {
      await withinBootWait(pendingMigrations(app.db))
    }
  } catch (error) {
    if (hasCode(error, REFUSED) || (NODE_ENV === 'development' && hasCode(error, MISFIT))) throw error
    app.log.warn({ err: error }, 'the SQL database is not as it should be; readiness says when it is')
  }
}, { name: 'migrations', dependencies: ['config', 'sql'], fastify: '5.x' })

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
