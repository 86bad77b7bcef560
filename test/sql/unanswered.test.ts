// A synchronous standby that is away: the server answers no COMMIT, and nobody may cut that wait short.
import pg from 'pg'
import type { FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import { mapError, OutcomeUnknownError } from 'fastify-transaction'
import { Pool } from '../../plugins/sql/postgres/pool.ts'
import { PostgresPair } from '../servers/postgres-pair.ts'
import { newFolder } from '../folder.ts'
import { databases } from '../helper.ts'
import { Proxy } from '../proxy.ts'
import { until } from '../until.ts'
import { createThings } from '../fixture/tables.ts'
import { smallApp } from './small-app.ts'

const INSERT = 'insert into things (name) values (gen_random_uuid()::text)'
const SIZE = 4
const OVERFLOW = 6

/** What a transaction that writes was told; undefined: committed. */
async function write (app: FastifyInstance, after = async () => {}): Promise<unknown> {
  const work = app.transaction(async (transaction) => {
    await transaction.query(INSERT)
    await after()
  })
  return await work.then(() => undefined, (error: unknown) => error)
}

async function start (t: Test) {
  const pair = await PostgresPair.start(newFolder(t), true)
  t.teardown(() => pair.stop())
  const { app } = await smallApp(t, {
    DATABASE_URL: pair.servers.primary,
    DATABASE_POOL_SIZE: SIZE,
    DATABASE_MAX_OVERFLOW: OVERFLOW
  })
  await createThings(app)
  const { pool } = app.pg
  if (!(pool instanceof Pool)) throw new Error('the pool is another one')
  const admin = new pg.Client(pair.servers.primary)
  await admin.connect()
  t.teardown(() => admin.end())
  const sessions = async () =>
    (await admin.query<{ n: number }>(
      "select count(*)::int as n from pg_stat_activity where application_name like 'tandem%' or query ~ 'things'"
    )).rows[0]?.n ?? 0
  return { app, pool, admin, sessions, pair }
}

t.test('COMMITs that are not answered hold their places; writes are refused early, reads go on', async (t) => {
  const { app, pool, admin, sessions, pair } = await start(t)
  t.equal(await write(app), undefined)
  const release = pair.holdReplication()
  t.teardown(release)

  const first = await Promise.all(Array.from({ length: SIZE + OVERFLOW }, () => write(app)))
  t.ok(first.every((error) => error instanceof OutcomeUnknownError), 'nobody is told that it failed')
  t.equal(pool.unansweredCommits, SIZE + OVERFLOW)
  const held = await sessions()

  for (let round = 0; round < 3; round++) {
    const refused = await Promise.all(Array.from({ length: 20 }, () => write(app)))
    t.ok(refused.every((error) => mapError(error)?.status === 503), '503, and nothing was begun')
    await t.resolves(pool.query('select count(*) from things'), 'a read')
  }
  t.ok(await sessions() <= held + 2, 'no session was added but for the reads')

  release()
  await until('each of them was answered', () => pool.unansweredCommits === 0)
  await until('writes are taken', async () => await write(app) === undefined)
  const { rows: [row] } = await admin.query<{ n: number }>('select count(*)::int as n from things')
  t.ok((row?.n ?? 0) >= SIZE + OVERFLOW + 2, 'what was answered with outcome-unknown is there: nothing was cancelled')
  await until(
    'the pool is as large as it was',
    () => pool.options.max === SIZE + OVERFLOW && pool.totalCount <= SIZE + OVERFLOW
  )
})

t.test('answers that the network swallowed hold no place for long', async (t) => {
  const { databaseUrl } = await databases(t)
  const proxy = await Proxy.start(databaseUrl)
  t.teardown(() => proxy.close())
  const { app } = await smallApp(t, { DATABASE_URL: proxy.through(databaseUrl), DATABASE_POOL_SIZE: SIZE })
  await createThings(app)
  const { pool } = app.pg
  if (!(pool instanceof Pool)) throw new Error('the pool is another one')
  let inserted = 0
  const swallow = async () => {
    if (++inserted === SIZE) proxy.cutAfter(0, 'silence', 'server')
    await until('all have inserted', () => inserted === SIZE)
  }
  const answers = await Promise.all(Array.from({ length: SIZE }, () => write(app, swallow)))
  t.ok(answers.every((error) => error !== undefined), 'none was answered')
  t.equal(pool.unansweredCommits, SIZE, 'perhaps they wait for a standby')
  await until('their places are free', () => pool.unansweredCommits === 0)
  await until('writes are taken', async () => await write(app) === undefined)
})
