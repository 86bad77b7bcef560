// `npm run scenarios`: plays the same requests with this plugin, @fastify/postgres, plain hooks and, with --app, a plugin of your own.
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { startServer, type Server } from './database.ts'
import { scenarios } from './list/index.ts'
import { systemFiles } from './system.ts'
import { countNotOk, markdown, writeBetweenMarkers, type Column } from './table.ts'
import { Worker } from './worker-process.ts'
import { failCommand } from '../fail-command.ts'

const USAGE =
  `npm run scenarios -- [--app ./their-plugin.ts] [--only <text of a scenario's name>] [--system <text of a system's name>] [--details] [--write]
  --app      also a module that exports system: { name, register (app, pool), config, query (request, text, values) }
  --details  what clients were told and what is stored, wherever it is not ok
  --write    puts the table into packages/transaction/docs/scenarios.md
  DATABASE_URL, MONGODB_URL: a PostgreSQL server whose user may create databases, and a replica set; default: both are
  started for the run`
const OURS = 'this plugin'
const ROOT = path.join(import.meta.dirname, '..', '..')

async function main (): Promise<void> {
  const { values } = parseArgs({
    options: {
      app: { type: 'string', multiple: true, default: [] },
      only: { type: 'string', default: '' },
      system: { type: 'string', default: '' },
      details: { type: 'boolean', default: false },
      write: { type: 'boolean', default: false }
    }
  })
  const { app, only, system, details, write } = values
  if (write && [only, system, ...app].some((text) => text !== '')) {
    throw new RangeError('--write wants the whole table: leave out --app, --only and --system')
  }
  const chosen = scenarios.filter(({ name }) => name.includes(only)).map(({ name }) => name)
  if (chosen.length === 0) throw new RangeError(`no scenario's name contains ${only}`)
  const server = await startServer(process.env['DATABASE_URL'], process.env['MONGODB_URL'])
  const exit = (): never => process.exit(130)
  process.once('SIGINT', () => {
    server.stop().then(exit, exit)
  })
  const workers: Worker[] = []
  try {
    for (const file of systemFiles(app)) workers.push(new Worker(file, await server.create(), server.mongodbUrl))
    await Promise.all(workers.map((worker) => worker.start()))
    const wanted = workers.filter(({ name }) => name.includes(system))
    if (wanted.length === 0) throw new RangeError(`no system's name contains ${system}`)
    const columns = await Promise.all(wanted.map((worker) => column(worker, chosen)))
    const table = markdown(chosen, columns, versions(server))
    console.log(table)
    if (details) describe(columns)
    if (write) writeBetweenMarkers(path.join(ROOT, 'packages', 'transaction', 'docs', 'scenarios.md'), table)
    const ours = columns.find(({ name }) => name === OURS)
    process.exitCode = ours !== undefined && countNotOk(ours) > 0 ? 1 : 0
  } finally {
    await Promise.all(workers.map((worker) => worker.stop()))
    await server.stop()
  }
}

async function column (worker: Worker, names: string[]): Promise<Column> {
  const verdicts: Column['verdicts'] = new Map()
  for (const [at, { name }] of scenarios.entries()) {
    if (names.includes(name)) verdicts.set(name, await worker.play(at))
  }
  return { name: worker.name, verdicts }
}

function describe (columns: Column[]): void {
  for (const { name, verdicts } of columns) {
    for (const [scenario, { codes, detail }] of verdicts) {
      if (codes.length > 0) console.log(`${name}, ${scenario}: ${codes.join(' ')} (${detail})`)
    }
  }
}

function versions (server: Server): string {
  const { dependencies } = JSON.parse(readFileSync(path.join(ROOT, 'package.json'), 'utf8')) as {
    dependencies: Record<string, string>
  }
  const packages = ['fastify', 'pg', '@fastify/postgres', 'mongodb', '@fastify/mongodb'].map((name) =>
    `${name} ${dependencies[name]}`
  )
  return [`PostgreSQL ${server.version}`, ...packages].join(', ')
}

main().catch((error: unknown) => {
  failCommand(error, USAGE)
})
