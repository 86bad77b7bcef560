// Tries one plugin in one order; started by try-one.ts, so that what crashes or hangs is this process.
import pg from 'pg'
import { addCommonRoutes } from './common.ts'
import { oneLine, perform } from './perform.ts'
import { openTestApp } from './test-app.ts'
import type { Order, Result } from './trial.ts'
import { loadTrials } from './trials.ts'

const [name = '', order = 'before', databaseUrl = ''] = process.argv.slice(2) as [string?, Order?, string?]
const END_EARLIER_APPS = `select pg_terminate_backend(pid) from pg_stat_activity
  where datname = current_database() and application_name = 'app'`
const complaints: string[] = []
process.on('uncaughtException', (error) => {
  complaints.push(`ends the process: ${oneLine(error)}`)
})
process.on('unhandledRejection', (error) => {
  complaints.push(`unhandled rejection: ${oneLine(error)}`)
})

async function results (): Promise<Result[]> {
  const trial = (await loadTrials()).find((one) => one.package === name)
  if (trial === undefined) throw new RangeError(`no trial of ${name}`)
  const admin = new pg.Pool({ connectionString: databaseUrl, application_name: 'ecosystem', max: 2 })
  await admin.query(END_EARLIER_APPS)
  const options = { trial, order, databaseUrl, admin, addRoutes: addCommonRoutes }
  const opened = await openTestApp(options).catch((error: unknown) => oneLine(error))
  if (typeof opened === 'string') return [{ name: 'boot', isRight: false, detail: opened }]
  return await perform(trial, opened, complaints)
}

const found = await results()
// Some plugins keep timers or signal handlers.
process.send?.(found, () => {
  process.exit(0)
})
