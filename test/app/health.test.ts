import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import t, { type Test } from 'tap'
import type { App } from '../../app.ts'
import { openSqliteClient } from '../../drizzle/sqlite-client.ts'
import { migrate } from '../../drizzle/migrate.ts'
import type { LoggerOptions } from '../../app.ts'
import { newFolder } from '../folder.ts'
import { thingRoutes } from '../fixture/things.ts'
import { build, databases, comesTrue } from '../helper.ts'
import { Proxy } from '../proxy.ts'

/** What readiness says once every check was made in time: on a busy machine one may take longer than its second. */
async function getReadiness (app: App, url = '/readyz') {
  let reply = await app.inject(url)
  await comesTrue(async () => {
    if (!reply.body.includes('no answer')) return true
    reply = await app.inject(url)
    return false
  })
  return reply
}

t.test('a service whose databases answer is ready', async (t) => {
  const app = await build(t)
  t.strictSame((await app.inject('/livez')).json(), { status: 'alive' })
  for (const url of ['/readyz', '/healthz']) {
    const ready = await getReadiness(app, url)
    t.equal(ready.statusCode, 200)
    t.equal(ready.headers['cache-control'], 'no-store')
    t.match(ready.json(), { status: 'ready', checks: { sql: 'up', mongodb: 'up' } })
  }
  t.equal((await app.inject({ method: 'HEAD', url: '/livez' })).statusCode, 200)
})

const AHEAD = "insert into drizzle.__drizzle_migrations (hash, created_at) values ('newer', 9999999999999)"

async function change (url: string, statement: string): Promise<void> {
  if (url.startsWith('file:')) {
    const client = openSqliteClient(url)
    await client.execute(statement.replace('drizzle.', ''))
    client.close()
    return
  }
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  await client.query(statement)
  await client.end()
}

/** What the log has warned of, line by line: message and reason. */
function warnings (): { logger: LoggerOptions; said: string[] } {
  const said: string[] = []
  const write = (line: string): void => {
    const { level, msg, reason = '' } = JSON.parse(line) as { level: number; msg: string; reason?: string }
    if (level === 40) said.push(`${msg}: ${reason}`)
  }
  return { said, logger: { level: 'warn', stream: { write } } }
}

async function migratedFile (t: Test): Promise<string> {
  const url = `file:${newFolder(t)}/app.db`
  await migrate(url)
  return url
}

t.test('F4 a database whose migrations do not fit', async (t) => {
  const cases: Array<[string, string, RegExp]> = [
    ['drop table drizzle.__drizzle_migrations', 'migrations pending', /0000_\w+.*: run npm run db:migrate/],
    ["update drizzle.__drizzle_migrations set hash = 'edited'", 'migrations differ', /Migration 0000_\w+ was edited/],
    [AHEAD, 'migrations ahead', /1 migration that this code does not know \("when": 9999999999999\)/]
  ]
  for (const engine of ['PostgreSQL', 'SQLite']) {
    for (const [statement, condition, reason] of cases) {
      const url = engine === 'SQLite' ? await migratedFile(t) : (await databases(t)).databaseUrl
      await change(url, statement)
      const { said, logger } = warnings()
      const app = await build(t, { logger, settings: { DATABASE_URL: url, PROJECTIONS: false } })
      const reply = await getReadiness(app)
      t.equal(reply.statusCode, 503, `${engine}: ${condition}`)
      t.match(reply.json(), { status: 'not ready', checks: { sql: condition, mongodb: 'up' } })
      t.notMatch(reply.body, /9999|0000_/, 'the answer names no migration')
      t.match(said.filter((line) => line.startsWith(condition)), [reason], 'the log says which, once')
      t.equal((await app.inject('/livez')).statusCode, 200)
    }
  }
})

t.test('F4 a newer version migrates while this one runs', async (t) => {
  for (const engine of ['PostgreSQL', 'SQLite']) {
    const url = engine === 'SQLite' ? await migratedFile(t) : (await databases(t)).databaseUrl
    const { said, logger } = warnings()
    const app = await build(t, { logger, settings: { DATABASE_URL: url, PROJECTIONS: false } })
    await change(url, AHEAD)
    const reply = await getReadiness(app)
    t.equal(reply.statusCode, 200, `${engine}: it stays until the newer one takes over`)
    t.match(reply.json(), { status: 'ready', checks: { sql: 'migrated meanwhile' } })
    t.match(said.filter((line) => line.startsWith('migrated meanwhile')), [/9999999999999/])
  }
})

t.test('a pool that is full of attempts to connect is not merely busy', async (t) => {
  const { databaseUrl } = await databases(t)
  const proxy = await Proxy.start(databaseUrl)
  t.teardown(() => proxy.close())
  const app = await build(t, {
    settings: {
      DATABASE_URL: proxy.through(databaseUrl),
      DATABASE_POOL_SIZE: 1,
      DATABASE_MAX_OVERFLOW: 0,
      PROJECTIONS: false
    },
    plugins: thingRoutes
  })
  const { pool } = app.pg
  proxy.refuse()
  const waiting = app.inject('/things/1')
  t.ok(await comesTrue(() => pool.totalCount === 0), 'the connection is lost')
  await sleep(200)
  proxy.pause()
  proxy.accept()
  t.ok(await comesTrue(() => pool.totalCount === 1 && pool.idleCount === 0), 'the next one hangs')
  t.match(await app.readiness(), { status: 'degraded', checks: { sql: /down|no answer/ } })
  proxy.resume()
  t.equal((await waiting).statusCode, 404)
})

t.test('one store is away: ready with what is left, unless all must be there', async (t) => {
  for (const [READY_WHEN, statusCode, status] of [['any', 200, 'degraded'], ['all', 503, 'not ready']] as const) {
    const { databaseUrl } = await databases(t)
    const proxy = await Proxy.start(databaseUrl)
    t.teardown(() => proxy.close())
    const app = await build(t, {
      settings: { DATABASE_URL: proxy.through(databaseUrl), PROJECTIONS: false, READY_WHEN },
      plugins: thingRoutes
    })
    proxy.refuse()
    t.ok(await comesTrue(async () => (await app.readiness()).status === status), `${READY_WHEN}: ${status}`)
    const reply = await app.inject('/readyz')
    t.equal(reply.statusCode, statusCode)
    t.match(reply.json(), { status, checks: { sql: /down|no answer/, mongodb: 'up' } })
    t.equal((await app.inject('/notes')).statusCode, 200, 'and the other one is read')
    proxy.accept()
    t.ok(await comesTrue(async () => (await app.readiness()).status === 'ready'), 'until it is back')
  }
})

t.test('a SQL server that takes no writes is not up', async (t) => {
  const { databaseUrl } = await databases(t)
  const name = new URL(databaseUrl).pathname.slice(1)
  const app = await build(t, { settings: { DATABASE_URL: databaseUrl, PROJECTIONS: false, READY_WHEN: 'all' } })
  await change(databaseUrl, `alter database "${name}" set default_transaction_read_only = on`)
  await change(
    databaseUrl,
    `
    select pg_terminate_backend(pid) from pg_stat_activity where datname = '${name}' and pid <> pg_backend_pid()`
  )
  t.ok(await comesTrue(async () => (await app.readiness()).checks['sql'] === 'read only'))
  t.equal((await app.inject('/readyz')).statusCode, 503)
})

t.test('while COMMIT is not answered the SQL server is not up', async (t) => {
  const { databaseUrl } = await databases(t)
  const app = await build(t, { settings: { DATABASE_URL: databaseUrl, PROJECTIONS: false }, plugins: thingRoutes })
  const add = (name: string) => app.inject({ method: 'POST', url: '/things', payload: { name } })
  t.equal(app.metrics.isCommitUnanswered(), false)
  await change(
    databaseUrl,
    `
    create function cut_off () returns trigger language plpgsql as $$
      begin perform pg_terminate_backend(pg_backend_pid()); return null; end $$;
    create constraint trigger cut_off after insert on things deferrable initially deferred
      for each row when (new.name like 'lost%') execute function cut_off()`
  )
  t.match((await add('lost')).json(), { type: /outcome-unknown$/ })
  t.ok(await comesTrue(async () => (await app.readiness()).checks['sql'] === 'commits unanswered'))
  t.match(await app.readiness(), { status: 'degraded' })
  t.equal((await add('kept')).statusCode, 201)
  t.equal(app.metrics.isCommitUnanswered(), false, 'one that is answered ends it')
})

t.test('other plugins add what they depend on', async (t) => {
  let condition: 'up' | 'degraded' | 'down' | 'throws' | 'silent' = 'degraded'
  let asked = 0
  const app = await build(t, {
    plugins: async (app) => {
      app.addReadiness('printer', () => {
        asked++
        if (condition === 'throws') throw new Error('s3cret-value at 10.0.0.1')
        return condition === 'silent' ? new Promise(() => {}) : condition
      })
    }
  })
  const probe = async () => await app.inject('/readyz')
  const [first, second] = await Promise.all([probe(), probe()])
  t.same(second.json<{ checks: object }>().checks, first.json<{ checks: object }>().checks)
  t.equal(asked, 1, 'probes at the same time share one round of checks')
  t.match(
    (await getReadiness(app)).json(),
    { status: 'ready', checks: { printer: 'degraded' } },
    'degraded still takes requests'
  )

  // Readiness is at most a second old: ask until the answer is of the new condition.
  const after = async (next: typeof condition, wanted: string) => {
    condition = next
    for (;;) {
      const reply = await probe()
      const { checks } = reply.json() as { checks: Record<string, string> }
      if (checks['printer'] === wanted) return reply
      await sleep(50)
    }
  }
  for (const [next, wanted] of [['down', 'down'], ['throws', 'down'], ['silent', 'no answer']] as const) {
    const reply = await after(next, wanted)
    t.equal(reply.statusCode, 503, next)
    t.notMatch(reply.body, /s3cret|10\.0\.0/)
    await after('up', 'up')
  }
})
