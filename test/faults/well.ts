import pg from 'pg'
import type { Test } from 'tap'
import { until } from '../until.ts'

/** A service after a fault, however it runs: in this process or in one of its own. */
export interface Survivor {
  /** Database that the service uses. */
  databaseUrl: string
  /** Sends a request; gives its status. */
  send: (method: 'GET' | 'POST', url: string, body?: object) => Promise<number>
  /** Whether its process runs. */
  isAlive?: () => boolean
  /** Its pool, where this process can see it. */
  pool?: pg.Pool
  /** What it has logged. */
  log?: Array<{ level: number; msg: string }>
  /** Leave MongoDB out, for a test that took it away. Default: false. */
  withoutMongo?: boolean
}

const SESSIONS =
  `select state, wait_event, query from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()
  and (state like 'idle in transaction%' or (state = 'active' and backend_type = 'client backend' and query not like 'LISTEN%'))`

let serial = 0

/** An e-mail that no other request of this process has used. */
export function newEmail (): string {
  return `f${process.pid}.${++serial}@example.com`
}

/**
 * The check (E) after every fault: the process lives, reads and writes of both stores work again, no connection is out,
 * nobody waits for one, the server has no transaction of ours left open, and the log has no error that nothing handled.
 * @param ms how long recovery may take
 */
export async function isWell (t: Test, service: Survivor, ms = 10_000): Promise<void> {
  const { send, pool, databaseUrl, isAlive = () => true } = service
  t.ok(isAlive(), 'the process lives')
  await until('a read of SQL works', async () => await send('GET', '/users?limit=1') === 200, ms)
  await until(
    'a write of SQL works',
    async () => await send('POST', '/users', { name: 'Next', email: newEmail() }) === 201,
    ms
  )
  if (service.withoutMongo !== true) {
    await until('a read of MongoDB works', async () => await send('GET', '/posts?limit=1') === 200, ms)
  }
  if (pool !== undefined) {
    await until('all connections are idle', () => pool.idleCount === pool.totalCount && pool.waitingCount === 0, ms)
    t.ok(pool.totalCount <= pool.options.max, 'the pool has kept its bound')
  }
  const client = new pg.Client({ connectionString: databaseUrl })
  await client.connect()
  try {
    // The relay and the readiness probe work on; a statement of theirs is gone a moment later.
    await until('no transaction is left open', async () => (await client.query(SESSIONS)).rowCount === 0, ms)
  } finally {
    await client.end()
  }
  t.same(
    service.log?.filter(({ level, msg }) => level >= 60 || /nothing handled/.test(msg)) ?? [],
    [],
    'the log has no error that nothing handled'
  )
}
