import { mkdtempSync, rmdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { serverAccount } from 'dev-databases'
import pg from 'pg'
import type { Test } from 'tap'
import { migrate } from '../../drizzle/migrate.ts'
import { SmallDisk } from '../../scripts/ledger/small-disk.ts'
import { databases } from '../helper.ts'
import { startServer } from '../process.ts'
import { until } from '../until.ts'
import { ownServer } from './servers.ts'
import { isWell, newEmail, type Survivor } from './well.ts'

// The database takes 8 MB when it is empty.
const SIZE_MB = 24
const CHUNKS = [1024, 128, 8] as const

/** Fills the tablespace of the connected database, down to the last page. */
async function fill (client: pg.Client): Promise<void> {
  await client.query('create table filler (content text)')
  // Stored beside the table and not compressed, a row takes the space it says.
  await client.query(
    'alter table filler alter content set storage external, set (autovacuum_enabled = off, toast.autovacuum_enabled = off)'
  )
  for (const kilobytes of CHUNKS) {
    for (;;) {
      try {
        await client.query("insert into filler select repeat('x', 1024 * $1)", [kilobytes])
      } catch (error) {
        if (!(error instanceof pg.DatabaseError) || error.code !== '53100') throw error
        break
      }
    }
  }
}

/**
 * F38: the tablespace of the database is full, and then has room again. The log of transactions (WAL) lies elsewhere:
 * without room for it PostgreSQL stops.
 */
export async function fullDisk (t: Test): Promise<void> {
  const folder = mkdtempSync(path.join(tmpdir(), 'tandem-disk-'))
  const disk = SmallDisk.mount(folder, SIZE_MB, serverAccount(folder))
  t.teardown(() => {
    disk.unmount()
    rmdirSync(folder)
  })
  const server = await ownServer(t, 'postgres')
  const admin = new pg.Client({ connectionString: server.url })
  await admin.connect()
  await admin.query(`create tablespace small location '${folder}'`)
  await admin.query('create database small tablespace small')
  await admin.end()
  const url = new URL(server.url)
  url.pathname = 'small'
  const databaseUrl = url.href
  await migrate(databaseUrl)

  const { mongoUrl, mongoDatabase } = await databases(t)
  const service = startServer(t, {
    NODE_ENV: 'production',
    LOG_LEVEL: 'info',
    DATABASE_URL: databaseUrl,
    MONGODB_URL: mongoUrl,
    MONGODB_DATABASE: mongoDatabase
  })
  const origin = await service.origin
  const request = async (method: 'GET' | 'POST', url: string, body?: object) => {
    const reply = await fetch(origin + url, {
      method,
      ...(body && { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) })
    })
    return { status: reply.status, retryAfter: reply.headers.get('retry-after'), body: await reply.text() }
  }
  const write = async () => await request('POST', '/users', { name: 'x'.repeat(100), email: newEmail() })
  t.equal((await write()).status, 201)

  const filler = new pg.Client({ connectionString: databaseUrl, application_name: 'filler' })
  await filler.connect()
  t.teardown(() => filler.end())
  await fill(filler)
  // Pages that were begun before have room for some more rows.
  let last = await write()
  await until('the tables are full', async () => (last = await write()).status !== 201, 30_000)
  t.equal(last.status, 503, last.body)
  t.match(last.retryAfter, /^\d+$/, 'with Retry-After')
  t.match(JSON.parse(last.body), { type: '/docs/problems#out-of-resources' })
  t.notMatch(last.body, /53100|pg_tblspc|No space/)
  for (const path of ['/users?limit=1', '/users/1', '/livez', '/readyz']) {
    t.equal((await request('GET', path)).status, 200, `${path} works`)
  }
  t.ok(
    service.log.some(({ level, err }) => level === 40 && (err as { code?: string } | undefined)?.code === '53100'),
    'the log says why'
  )

  await filler.query('drop table filler')
  const send: Survivor['send'] = async (...args) => (await request(...args)).status
  await isWell(t, { databaseUrl, send, log: service.log, isAlive: () => service.child.exitCode === null })
  service.child.kill('SIGTERM')
  t.equal(await service.ended, 0, 'it ends in order')
}
