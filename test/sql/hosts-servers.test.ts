// URLs of several hosts on a primary and a standby that follows it: which one is taken, and what follows a failover.
import pg from 'pg'
import t, { type Test } from 'tap'
import { HostsClient, NoHostError } from '../../drizzle/hosts/client.ts'
import { migrate } from '../../drizzle/migrate.ts'
import { PostgresPair } from '../servers/postgres-pair.ts'
import { newFolder } from '../folder.ts'
import { Proxy } from '../proxy.ts'
import { comesTrue, until } from '../until.ts'
import { createThings } from '../fixture/tables.ts'
import { smallApp } from './small-app.ts'

const start = async (t: Test, isSynchronous = false) => {
  const pair = await PostgresPair.start(newFolder(t), isSynchronous)
  t.teardown(() => pair.stop())
  return pair
}

/** The port a URL leads to, and how many statements that took. */
async function connect (url: string): Promise<{ port: number; client: HostsClient }> {
  const client = new HostsClient({ connectionString: url })
  client.on('error', () => {})
  await client.connect()
  return { port: client.port, client }
}

async function portOf (url: string): Promise<number> {
  const { port, client } = await connect(url)
  await client.end()
  return port
}

async function execute (url: string, ...texts: string[]): Promise<void> {
  const client = new pg.Client(url)
  await client.connect()
  for (const text of texts) await client.query(text)
  await client.end()
}

t.test('primary and standby', async (t) => {
  const pair = await start(t)
  const { primary, standby } = pair.servers
  const [first, second] = [Number(new URL(primary).port), Number(new URL(standby).port)]
  const turned = (options: string) => {
    const url = new URL(primary)
    return `postgres://${url.username}:${url.password}@127.0.0.1:${second},127.0.0.1:${first}${url.pathname}?${options}`
  }

  t.test('each target takes the first host that fits, in either order', async (t) => {
    const expected = {
      any: [first, second],
      'read-write': [first, first],
      primary: [first, first],
      'read-only': [second, second],
      standby: [second, second],
      'prefer-standby': [second, second]
    }
    for (const [target, ports] of Object.entries(expected)) {
      const option = `target_session_attrs=${target}`
      t.strictSame([await portOf(pair.bothHosts(option)), await portOf(turned(option))], ports, target)
      const asked = `${option}&pgbouncer=true`
      t.strictSame([await portOf(pair.bothHosts(asked)), await portOf(turned(asked))], ports, `${target}, when asked`)
    }
  })

  t.test('the role is what the server reports: no statement is sent', async (t) => {
    const { client } = await connect(turned('target_session_attrs=read-write'))
    const admin = new pg.Client(primary)
    await admin.connect()
    const { processID } = client as unknown as { processID: number }
    const { rows } = await admin.query('select query from pg_stat_activity where pid = $1', [processID])
    await admin.end()
    t.strictSame(rows, [{ query: '' }])
    await client.end()
  })

  t.test('a host that refuses, and one that is silent, are passed over', async (t) => {
    const url = new URL(primary)
    const lead = (host: string) =>
      `postgres://${url.username}:${url.password}@${host},127.0.0.1:${first}${url.pathname}?connect_timeout=1`
    t.equal(await portOf(lead('127.0.0.1:1')), first)
    const silent = await Proxy.start(standby)
    silent.pause()
    t.teardown(() => silent.close())
    t.equal(await portOf(lead(`127.0.0.1:${silent.port}`)), first)
  })

  t.test('where none fits, the reason names each host', async (t) => {
    const url = new URL(standby)
    const alone = `postgres://${url.username}:${url.password}@${url.host},127.0.0.1:1${url.pathname}`
    await t.rejects(portOf(`${alone}?target_session_attrs=primary`), {
      name: 'NoHostError',
      message: new RegExp(
        `no host of DATABASE_URL is primary \\(127.0.0.1:${second}: is a standby; 127.0.0.1:1: .*ECONNREFUSED`
      )
    })
    t.equal(await portOf(`${alone}?target_session_attrs=prefer-standby`), second)
    await t.rejects(portOf('postgres://u@127.0.0.1:1,127.0.0.1:2/db'), NoHostError)
    const wrong = new URL(primary)
    const refused = `postgres://${wrong.username}:wrong@127.0.0.1:${first},127.0.0.1:${second}/${wrong.pathname}`
    await t.rejects(portOf(refused), { code: '28P01' }, 'a wrong password is not tried elsewhere')
  })

  t.test('a primary that is made read only loses its sessions of a pool', async (t) => {
    const { app } = await smallApp(t, { DATABASE_URL: pair.bothHosts('target_session_attrs=read-write') })
    const { pool } = app.pg
    await Promise.all([pool.query('select 1'), pool.query('select 1')])
    const reload = 'select pg_reload_conf()'
    await execute(primary, 'alter system set default_transaction_read_only = on', reload)
    t.teardown(() => execute(primary, 'alter system reset default_transaction_read_only', reload))
    await until('every session is gone', async () => {
      await pool.query('select 1').catch(() => {})
      return pool.totalCount === 0
    })
    await t.rejects(pool.query('select 1'), { code: 'ECONNREFUSED', message: /is read only/ })
  })

  t.test('migrations run on the primary, whichever comes first', async (t) => {
    await until(
      'it takes writes again',
      () => portOf(turned('target_session_attrs=read-write')).then(() => true, () => false)
    )
    await t.resolves(migrate(turned('target_session_attrs=read-write')))
  })

  t.test('a frozen primary: a pool goes on with the standby that was promoted', async (t) => {
    const url = pair.bothHosts('target_session_attrs=read-write&connect_timeout=1')
    const { app } = await smallApp(t, {
      DATABASE_URL: url,
      DATABASE_LOCK_TIMEOUT_MS: 500,
      DATABASE_STATEMENT_TIMEOUT_MS: 1000
    })
    const { pool } = app.pg
    await createThings(app)
    const write = async () => {
      await app.transaction((transaction) =>
        transaction.query('insert into things (name) values (gen_random_uuid()::text)')
      )
    }
    await Promise.all([write(), write(), write()])
    const thaw = pair.freeze()
    t.teardown(thaw)
    await pair.promote()
    t.ok(await comesTrue(() => write().then(() => true, () => false)), 'writes are taken again')
    const { rows: [row] } = await pool.query<{ port: number }>("select current_setting('port')::int as port")
    t.equal(row?.port, Number(new URL(pair.servers.standby).port))
  })
})
