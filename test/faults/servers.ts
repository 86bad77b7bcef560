import { setTimeout as sleep } from 'node:timers/promises'
import { startEmbedded, type EmbeddedDatabases } from 'dev-databases'
import type { Test } from 'tap'
import { migrate } from '../../drizzle/migrate.ts'
import { copyCluster } from '../servers/copy-cluster.ts'
import { newFolder } from '../folder.ts'
import { until } from '../until.ts'
import { newEmail } from './well.ts'

type Name = 'postgres' | 'mongodb'

/** A database server that only this test uses, so that it may be stopped and killed. */
export interface OwnServer {
  url: string
  /** Folder its data is in, as `dataDir` of dev-databases. */
  dataDir: string
  /** Ends it by a signal, and waits until it is gone. PostgreSQL: SIGINT is a fast, SIGQUIT an immediate shutdown. */
  down: (signal: NodeJS.Signals) => Promise<void>
  /** Starts it again, on the same port with the same data. */
  up: () => Promise<void>
}

/**
 * A PostgreSQL (migrated) or MongoDB in a folder of its own, stopped and removed with the test.
 * @param flags as `postgresFlags` of dev-databases
 */
export async function ownServer (t: Test, name: Name, flags: string[] = []): Promise<OwnServer> {
  const server = await serverIn(t, newFolder(t), name, flags)
  if (name === 'postgres') await migrate(server.url)
  return server
}

/**
 * A read-only PostgreSQL that follows `primary`, until `pg_promote()`. There is no pg_basebackup: the primary is
 * stopped in order for a moment, and its folder copied.
 * @param application how the primary calls it in `pg_stat_replication` and `synchronous_standby_names`
 */
export async function createStandby (t: Test, primary: OwnServer, application: string): Promise<OwnServer> {
  const { username, password, port } = new URL(primary.url)
  const dataDir = newFolder(t)
  await primary.down('SIGINT')
  copyCluster(primary.dataDir, dataDir)
  await primary.up()
  return await serverIn(t, dataDir, 'postgres', [
    `primary_conninfo=host=127.0.0.1 port=${port} user=${username} password=${password} application_name=${application}`
  ])
}

async function serverIn (t: Test, dataDir: string, name: Name, flags: string[]): Promise<OwnServer> {
  const starts: EmbeddedDatabases[] = []
  t.teardown(async () => {
    for (const started of starts) await started.stop()
  })
  async function up (): Promise<{ adminUrl: string; pid: number }> {
    const started = await startEmbedded({
      dataDir,
      postgres: name === 'postgres',
      mongodb: name === 'mongodb',
      postgresFlags: ['fsync=off', 'full_page_writes=off', ...flags]
    })
    starts.push(started)
    const server = started[name]
    if (server === undefined || server.how === 'missing') throw new Error(`no ${name} could be started`)
    return server
  }
  let server = await up()
  return {
    url: server.adminUrl,
    dataDir,
    async up () {
      server = await up()
    },
    async down (signal) {
      process.kill(server.pid, signal)
      await until('the server is gone', () => !isRunning(server.pid), 30_000)
    }
  }
}

function isRunning (pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

/** What became of each write: its e-mail, and the status and type of its answer; status 0 is no answer at all. */
export interface Entry {
  email: string
  status: number
  type: string
  retryAfter: string | null
}

/**
 * A fixed number of clients, each of which sends one write after the other and notes the answers, until told to stop or
 * the test ends.
 */
export function writers (
  t: Test,
  origin: () => string,
  count: number
): { ledger: Entry[]; stop: () => Promise<Entry[]> } {
  const ledger: Entry[] = []
  let isStopped = false
  const all = Promise.all(Array.from({ length: count }, async () => {
    while (!isStopped) {
      const email = newEmail()
      ledger.push({ email, ...await write(origin(), email) })
      await sleep(20)
    }
  }))
  const stop = async () => {
    isStopped = true
    await all
    return ledger
  }
  t.teardown(stop)
  return { ledger, stop }
}

async function write (origin: string, email: string): Promise<Omit<Entry, 'email'>> {
  try {
    const reply = await fetch(`${origin}/users`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ name: 'Writer', email })
    })
    const { type = '' } = await reply.json() as { type?: string }
    return { status: reply.status, type, retryAfter: reply.headers.get('retry-after') }
  } catch {
    return { status: 0, type: '', retryAfter: null }
  }
}

/**
 * Compares a ledger with what is stored: an acknowledged write is there once, a refused one is not there, and only an
 * answer that says so leaves it open.
 * @param stored e-mails in the database, each as often as it is there
 */
export function agree (t: Test, ledger: Entry[], stored: string[]): void {
  const times = new Map<string, number>()
  for (const email of stored) times.set(email, (times.get(email) ?? 0) + 1)
  const isUnknown = ({ status, type }: Entry) => status === 0 || type.endsWith('#outcome-unknown')
  const wrong = ledger.filter((entry) =>
    !isUnknown(entry) && (times.get(entry.email) ?? 0) !== (entry.status === 201 ? 1 : 0)
  )
  t.same(wrong, [], 'every answer is what is stored')
  const odd = ledger.filter((entry) => entry.status !== 201 && entry.status !== 503 && !isUnknown(entry))
  t.same(odd, [], 'refusals are 503')
  t.ok(
    ledger.every(({ status, retryAfter }) => status !== 503 || retryAfter !== null),
    'each 503 says when to come back'
  )
  t.ok([...times.values()].every((count) => count === 1), 'nothing is stored twice')
}
