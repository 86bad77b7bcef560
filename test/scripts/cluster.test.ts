// Several processes of the service on one port, as `node dist/scripts/cluster.js` runs them.
import { readFileSync } from 'node:fs'
import path from 'node:path'
import t, { type Test } from 'tap'
import { readRun } from '../databases/run.ts'
import { createThingsAt } from '../fixture/tables.ts'
import { databases } from '../helper.ts'
import { startNode, type ServerProcess } from '../process.ts'
import { until } from '../until.ts'

async function start (t: Test, args: string[], env: NodeJS.ProcessEnv = {}): Promise<ServerProcess> {
  const { databaseUrl, mongoUrl, mongoDatabase } = await databases(t)
  await createThingsAt(databaseUrl)
  const settings = {
    NODE_ENV: 'production',
    DATABASE_URL: databaseUrl,
    // Each process has a name of its own, which a name in the URL would hide.
    MONGODB_URL: mongoUrl.replace(/&appName=[^&]*/, ''),
    MONGODB_DATABASE: mongoDatabase,
    DATABASE_POOL_SIZE: '7',
    DATABASE_MAX_OVERFLOW: '4',
    ...env
  }
  return startNode(t, settings, [path.join(readRun().built, 'scripts', 'cluster.js'), ...args])
}

function findProcesses ({ child: { pid = 0 } }: ServerProcess): number[] {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').filter(Boolean).map(Number)
}

const isAlive = (pid: number) => {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

async function create (origin: string): Promise<number> {
  const response = await fetch(`${origin}/things`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', connection: 'close' },
    body: JSON.stringify({ name: String(Math.random()) })
  }).catch(() => undefined)
  return response?.status ?? 0
}

t.test('two processes share a port and a budget of connections; a dead one is replaced; SIGTERM ends both', async (t) => {
  const server = await start(t, ['2'])
  const told = () =>
    server.log.filter(({ msg }) => msg === 'settings').map(({ settings }) => settings as Record<string, unknown>)
  const listening = () => server.log.filter(({ msg }) => /listening at/.test(msg)).length
  await until('both listen', () => listening() >= 2, 60_000)
  const origin = await server.origin
  t.match(told(), [{ DATABASE_POOL_SIZE: 3, DATABASE_MAX_OVERFLOW: 2 }, {
    DATABASE_POOL_SIZE: 3,
    DATABASE_MAX_OVERFLOW: 2
  }])
  const names = new Set(told().map(({ INSTANCE_NAME }) => INSTANCE_NAME))
  t.equal(names.size, 2)
  t.equal(await create(origin), 201)

  const [victim = 0, other = 0] = findProcesses(server)
  process.kill(victim, 'SIGKILL')
  await until('another one listens', () => listening() >= 3, 60_000)
  t.match(server.errors(), /process \d of the service ended \(SIGKILL\); another one is started/)
  t.equal(new Set(told().map(({ INSTANCE_NAME }) => INSTANCE_NAME)).size, 2, 'under the name of the dead one')
  t.ok(isAlive(other))
  t.strictSame(await Promise.all([create(origin), create(origin), create(origin)]), [201, 201, 201])

  const last = findProcesses(server)
  t.equal(last.length, 2)
  server.child.kill('SIGTERM')
  t.equal(await server.ended, 0)
  t.notOk(last.some(isAlive))
  t.equal(server.log.filter(({ msg }) => msg === 'closed').length, 2, 'each of them drained')
})

t.test('what keeps a process from starting ends the command', async (t) => {
  const server = await start(t, ['2'], { DATABASE_POOL_SIZE: 'many' })
  t.equal(await server.ended, 1)
  t.match(server.errors(), /^DATABASE_POOL_SIZE .*\n$/)
  const other = await start(t, ['2'], { DATABASE_URL: 'file:cluster.db' })
  t.not(await other.ended, 0, 'an SQLite file has one process')
  t.equal(await (await start(t, ['none'])).ended, 2)
})
