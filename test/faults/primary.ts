import pg from 'pg'
import type { Test } from 'tap'
import { databases } from '../helper.ts'
import { startServer } from '../process.ts'
import { Proxy } from '../proxy.ts'
import { until } from '../until.ts'
import { agree, ownServer, createStandby, writers, type Entry } from './servers.ts'
import { isWell, type Survivor } from './well.ts'

const OURS = "select 1 from pg_stat_activity where application_name like 'tandem%'"

async function session (t: Test, url: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: url, application_name: 'test' })
  client.on('error', () => {})
  await client.connect()
  t.teardown(() => client.end().catch(() => {}))
  return client
}

/** Waits for answers of one status to writes that were sent from now on. */
async function answered (ledger: Entry[], status: number, count: number): Promise<Entry[]> {
  const from = ledger.length
  // Each of the 16 writers may have one answer on its way.
  const since = () => ledger.slice(from + 16)
  await until(
    `writes are answered ${status}`,
    () => since().filter((entry) => entry.status === status).length >= count,
    30_000
  )
  return since()
}

/**
 * F9: while clients write, the service is led to a replica, back to the primary, and to the replica again, which then
 * becomes the primary after the old one was killed. The replica is synchronous, so that nothing that was acknowledged
 * may be missing.
 */
export async function newPrimary (t: Test): Promise<void> {
  const primary = await ownServer(t, 'postgres')
  const standby = await createStandby(t, primary, 'standby')
  const [onPrimary, onStandby] = [await session(t, primary.url), await session(t, standby.url)]
  await onPrimary.query("alter system set synchronous_standby_names = 'standby'")
  await onPrimary.query('select pg_reload_conf()')
  await until(
    'the standby is synchronous',
    async () => (await onPrimary.query("select 1 from pg_stat_replication where sync_state = 'sync'")).rowCount === 1
  )

  const proxy = await Proxy.start(primary.url)
  t.teardown(() => proxy.close())
  const { mongoUrl, mongoDatabase } = await databases(t)
  const service = startServer(t, {
    NODE_ENV: 'production',
    LOG_LEVEL: 'info',
    DATABASE_URL: proxy.through(primary.url),
    MONGODB_URL: mongoUrl,
    MONGODB_DATABASE: mongoDatabase
  })
  const origin = await service.origin
  const send: Survivor['send'] = async (method, url, body) => {
    const reply = await fetch(origin + url, {
      method,
      ...(body && { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) })
    })
    await reply.arrayBuffer()
    return reply.status
  }
  const { ledger, stop } = writers(t, () => origin, 16)
  t.teardown(async () => {
    await stop()
  })
  await answered(ledger, 201, 100)

  proxy.switchTo(standby.url)
  proxy.reset()
  const refused = await answered(ledger, 503, 50)
  t.ok(
    refused.every(({ status, type }) => status === 503 && type.endsWith('#database-unavailable')),
    'on a replica every write is refused'
  )
  t.equal(await send('GET', '/users?limit=1'), 200, 'and reads are served')

  proxy.switchTo(primary.url)
  await answered(ledger, 201, 100)
  // Those of the projections leave when they were idle for half a minute.
  await until('no session is left on the replica', async () => (await onStandby.query(OURS)).rowCount === 0, 60_000)

  proxy.switchTo(standby.url)
  await primary.down('SIGQUIT')
  await answered(ledger, 503, 50)
  const { rows } = await onStandby.query<{ promoted: boolean }>('select pg_promote() as promoted')
  t.ok(rows[0]?.promoted, 'the replica is promoted')
  await answered(ledger, 201, 100)
  const all = await stop()
  const stored = await onStandby.query<{ email: string }>('select email from users')
  agree(t, all, stored.rows.map(({ email }) => email))
  await isWell(t, { databaseUrl: standby.url, send, log: service.log, isAlive: () => service.child.exitCode === null })
}
