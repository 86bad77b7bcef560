// Builds the service, and holds one PostgreSQL cluster and one mongod while tap runs; started by start.ts with tap's
// pid as argument.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { startEmbedded } from 'dev-databases'
import { isAlive, getMark } from 'dev-databases/processes'
import pg from 'pg'
import { migrate } from '../../drizzle/migrate.ts'
import { TYPESCRIPT_ARGS } from '../../scripts/typescript.ts'
import { addFixture } from './add-fixture.ts'
import { forgetRun, writeRun } from './run.ts'

const TEMPLATE = 'tandem_template'
const tap = Number(process.argv[2])
const tapMark = getMark(tap)
const dataDir = mkdtempSync(path.join(tmpdir(), 'tandem-test-'))
const root = path.join(import.meta.dirname, '..', '..')
// Inside the project: its imports are looked up from there.
const built = path.join(root, '.tap', `built-${tap}`)

const building = build()

const servers = await startEmbedded({
  dataDir,
  postgres: true,
  mongodb: true,
  // Losing the last second in a crash of the machine does not matter to a test.
  postgresFlags: ['fsync=off', 'synchronous_commit=off', 'full_page_writes=off', 'max_connections=400'],
  onProgress: (line) => {
    console.error(line)
  }
})
const { postgres, mongodb } = servers
if (postgres === undefined || mongodb === undefined || mongodb.how === 'missing') {
  console.error(mongodb?.how === 'missing' ? mongodb.reason.join('\n') : 'The test databases did not start')
  await servers.stop()
  process.exit(1)
}
await Promise.all([makeTemplate(postgres.adminUrl), building])
writeRun({ built, postgres: postgres.adminUrl, mongodb: mongodb.adminUrl, template: TEMPLATE, pid: process.pid }, tap)
process.send?.('ready')

process.once('SIGTERM', () => {
  void stop()
})
// A run that was killed cannot say goodbye.
setInterval(() => {
  if (!isAlive(tapMark)) void stop()
}, 1000)

async function build (): Promise<void> {
  const script = spawn(process.execPath, [...TYPESCRIPT_ARGS, 'scripts/build.ts', built, '--noCheck'], {
    cwd: root,
    stdio: 'inherit'
  })
  if ((await once(script, 'exit'))[0] !== 0) throw new Error('The service could not be built')
  addFixture(built)
}

async function makeTemplate (url: string): Promise<void> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  await client.query(`create database ${TEMPLATE}`)
  await client.end()
  const template = new URL(url)
  template.pathname = TEMPLATE
  await migrate(template.href)
}

async function stop (): Promise<void> {
  // Their data goes with them: an orderly end, which takes mongod ten seconds by now, would save what nobody reads.
  kill(postgres?.pid, 'SIGQUIT')
  kill(mongodb?.how === 'missing' ? undefined : mongodb?.pid, 'SIGKILL')
  await servers.stop()
  // tap need not wait while some hundred databases are removed.
  forgetRun(tap)
  for (const folder of [dataDir, built]) rmSync(folder, { recursive: true, force: true })
  process.exit(0)
}

function kill (pid: number | undefined, signal: NodeJS.Signals): void {
  try {
    if (pid !== undefined) process.kill(pid, signal)
  } catch {
    // It has ended already.
  }
}
