// `npm run ecosystem`: tries plugins of others beside packages/transaction, each registered before and after it.
import path from 'node:path'
import { parseArgs } from 'node:util'
import { startServer, type Server } from '../scenarios/database.ts'
import { writeBetweenMarkers } from '../scenarios/table.ts'
import { install, getVersion } from './install.ts'
import { getFaults, markdown, type Row } from './table.ts'
import type { Order, Trial } from './trial.ts'
import { loadTrials } from './trials.ts'
import { tryOne } from './try-one.ts'
import { failCommand } from '../fail-command.ts'

const USAGE = `npm run ecosystem -- [--only <text of a package's name>]
  --only   tries these alone, says what each check has shown, and leaves the page as it is
  DATABASE_URL: a PostgreSQL server whose user may create databases; default: one is started for the run
  The table goes into packages/transaction/docs/ecosystem.md.
  Packages are installed into scripts/ecosystem/packages on first use.`
const PAGE = path.join(import.meta.dirname, '..', '..', 'packages', 'transaction', 'docs', 'ecosystem.md')
const LANES = 2
const ORDERS: Order[] = ['before', 'after']

async function main (): Promise<void> {
  const { only } = parseArgs({ options: { only: { type: 'string', default: '' } } }).values
  const trials = (await loadTrials()).filter((trial) => trial.package.includes(only))
  if (trials.length === 0) throw new RangeError(`no package's name contains ${only}`)
  await install()
  const server = await startServer(process.env['DATABASE_URL'])
  const exit = (): never => process.exit(130)
  process.once('SIGINT', () => {
    server.stop().then(exit, exit)
  })
  try {
    const rows = await tryAll(trials, server)
    if (only !== '') report(rows)
    const versions = ['fastify', 'pg'].map((name) => `${name} ${getVersion(name)}`)
    const table = markdown(rows, [`PostgreSQL ${server.version}`, ...versions].join(', '))
    console.log(table)
    if (only === '') writeBetweenMarkers(PAGE, table, 'ecosystem')
    const faults = rows.flatMap(getFaults)
    for (const fault of faults) console.error(`${fault.package} ${fault.order}, ${fault.name}: ${fault.detail}`)
    process.exitCode = faults.length === 0 ? 0 : 1
  } finally {
    await server.stop()
  }
}

/** Two at a time, each in a database of its own. */
async function tryAll (trials: Trial[], server: Server): Promise<Row[]> {
  const rows = trials.map((trial): Row => {
    return { trial, version: getVersion(trial.package), results: { before: [], after: [] } }
  })
  const waiting = rows.flatMap((row) => ORDERS.map((order) => ({ row, order })))
  await Promise.all(Array.from({ length: LANES }, async () => {
    const databaseUrl = await server.create()
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      next.row.results[next.order] = await tryOne(next.row.trial.package, next.order, databaseUrl)
    }
  }))
  return rows
}

function report (rows: Row[]): void {
  for (const { trial, results } of rows) {
    for (const order of ORDERS) {
      for (const { name, isRight, detail } of results[order]) {
        const reason = detail === '' ? '' : `: ${detail}`
        console.log(`${isRight ? 'ok    ' : 'WRONG '} ${trial.package} ${order}, ${name}${reason}`)
      }
    }
  }
}

main().catch((error: unknown) => {
  failCommand(error, USAGE)
})
