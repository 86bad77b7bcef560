// A primary that a promotion has left behind and that lives on: sessions which may choose among hosts leave it.
import { randomUUID } from 'node:crypto'
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import pg from 'pg'
import t, { type Test } from 'tap'
import { OutcomeUnknownError } from 'fastify-transaction'
import { HostsClient } from '../../drizzle/hosts/client.ts'
import { orderHosts } from '../../drizzle/hosts/order.ts'
import { describeHost, parseHosts } from '../../drizzle/hosts/parse.ts'
import { isKnown, judge, keepSession } from '../../drizzle/hosts/timelines.ts'
import { PostgresPair } from '../servers/postgres-pair.ts'
import { TYPESCRIPT_ARGS } from '../../scripts/typescript.ts'
import { newFolder } from '../folder.ts'
import { comesTrue, until } from '../until.ts'
import { smallApp } from './small-app.ts'

const READ_WRITE = 'target_session_attrs=read-write&connect_timeout=1'
const getPort = (url: string) => Number(new URL(url).port)

async function start (t: Test): Promise<PostgresPair> {
  const pair = await PostgresPair.start(newFolder(t), true)
  t.teardown(() => pair.stop())
  return pair
}

async function portInUse (url: string): Promise<number> {
  const client = new HostsClient({ connectionString: url })
  await client.connect()
  const { port } = client
  await client.end()
  return port
}

/** The same as a process sees it that knows nothing of what was before. */
async function getPortNewProcess (url: string): Promise<number> {
  const program = `const { HostsClient } = await import(${
    JSON.stringify(import.meta.resolve('../../drizzle/hosts/client.ts'))
  })
    const client = new HostsClient({ connectionString: process.argv[1] })
    await client.connect()
    console.log(client.port)
    await client.end()`
  const args = [...TYPESCRIPT_ARGS, '--input-type=module', '-e', program, url]
  const { stdout } = await promisify(execFile)(process.execPath, args, { env: { ...process.env, NODE_OPTIONS: '' } })
  return Number(stdout)
}

/** A role that may do no more than anybody. @returns the URL with it */
async function asAnybody (pair: PostgresPair, url: string): Promise<string> {
  const admin = new pg.Client(pair.servers.primary)
  await admin.connect()
  await admin.query(
    "create role anybody login password 'secret'; grant select, insert on all tables in schema public to anybody"
  )
  await admin.query('grant usage on all sequences in schema public to anybody')
  await admin.end()
  return url.replace(/\/\/[^@]*@/, '//anybody:secret@')
}

t.test('an old primary that was never away, for a role without rights', async (t) => {
  const pair = await start(t)
  const url = await asAnybody(pair, pair.bothHosts(READ_WRITE))
  const { app } = await smallApp(t, { DATABASE_URL: url })
  const { pool } = app.pg
  const insert = () =>
    app.transaction((transaction) =>
      transaction.query('insert into outbox (topic, key, payload) values ($1, $2, $3)', ['things', randomUUID(), '{}'])
    )
  await Promise.all([insert(), insert()])
  const [old, young] = [getPort(pair.servers.primary), getPort(pair.servers.standby)]
  const session = new HostsClient({ connectionString: url })
  await session.connect()
  const working = session.query('select pg_sleep(60)')
  working.catch(() => {})
  await pair.promote()
  const committing = insert()
  committing.catch(() => {})

  await t.rejects(working, { code: 'ECONNRESET', message: /was left behind by a new primary/ }, 'a session at work')
  const { rows: [row] } = await pool.query<{ port: number }>("select current_setting('port')::int as port")
  t.equal(row?.port, young, 'statements go to the new one')
  t.ok(await comesTrue(() => insert().then(() => true, () => false)), 'and writes are taken')
  await t.rejects(committing, OutcomeUnknownError, 'a COMMIT that waited for its standby')
  t.equal(await portInUse(url), young)

  const admin = new pg.Client({ connectionString: pair.bothHosts('').replace(/,[^/]*/, '') })
  await admin.connect()
  t.equal(admin.port, old, 'the old one takes sessions')
  await admin.end()
  t.equal(await getPortNewProcess(url), young, 'a process that begins meets both')
})

t.test('a frozen primary that wakes up', async (t) => {
  const pair = await start(t)
  const url = pair.bothHosts(READ_WRITE)
  const { app } = await smallApp(t, {
    DATABASE_URL: url,
    DATABASE_STATEMENT_TIMEOUT_MS: 1000,
    DATABASE_LOCK_TIMEOUT_MS: 500
  })
  const { pool } = app.pg
  await Promise.all([pool.query('select 1'), pool.query('select 1')])
  const young = getPort(pair.servers.standby)
  const thaw = pair.freeze()
  t.teardown(thaw)
  await pair.promote()
  await until('the new one is found', () => portInUse(url).then((port) => port === young, () => false))
  thaw()
  await until('the old one answers', () => portInUse(url.replace(/,[^/]*/, '')).then(() => true, () => false))
  const ports = await Promise.all(Array.from({ length: 5 }, () => portInUse(url)))
  t.strictSame(new Set(ports), new Set([young]))
  t.equal(await getPortNewProcess(url), young)
})

t.test('servers that do not say their timeline are used in their order', async (t) => {
  const pair = await start(t)
  const admin = new pg.Client(pair.servers.primary)
  await admin.connect()
  await admin.query('revoke execute on function pg_control_system() from public')
  await admin.end()
  const url = await asAnybody(pair, pair.bothHosts(READ_WRITE))
  const first = getPort(pair.servers.primary)
  t.equal(await portInUse(url), first)
  t.equal(await portInUse(url), first)
})

t.test('whoever has the highest timeline of a cluster leads, whatever the order', async (t) => {
  const system = randomUUID()
  const list = parseHosts(`postgres://${system}a,${system}b,${system}c/db`)
  const closed: string[] = []
  const timelines = list.hosts.map((host) => ({ host, timeline: 1 + Math.floor(Math.random() * 5) }))
  for (const { host } of timelines) keepSession(host, () => closed.push(describeHost(host)))
  const highest = Math.max(...timelines.map(({ timeline }) => timeline))
  for (let round = 0; round < 2; round++) {
    for (const { host, timeline } of timelines) judge(host, { system, timeline })
  }
  for (const { host, timeline } of timelines) {
    const leads = timeline === highest
    const hint = JSON.stringify({ timelines, host })
    t.equal(isKnown(host), leads, hint)
    t.equal(closed.includes(describeHost(host)), !leads, hint)
    t.equal(judge(host, { system, timeline }) === undefined, leads, hint)
    t.equal(judge(host, { system: randomUUID(), timeline: 1 }), undefined, 'another cluster has timelines of its own')
  }
})

t.test('one that was left behind comes last, and first again once it leads', async (t) => {
  const system = randomUUID()
  const list = parseHosts(`postgres://${system}a,${system}b/db`)
  const [a, b] = list.hosts
  if (b === undefined) return t.fail('two hosts')
  judge(a, { system, timeline: 1 })
  judge(b, { system, timeline: 2 })
  t.strictSame(orderHosts(list), [b, a])
  t.match(judge(a, { system, timeline: 1 }), /was left behind on timeline 1, .*b has 2/)
  judge(a, { system, timeline: 3 })
  t.strictSame(orderHosts(list), [a, b])
})
