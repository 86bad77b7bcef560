// Databases whose settings write times in another way.
import pg from 'pg'
import t from 'tap'
import { freshPostgres } from '../../../test/fresh.ts'
import { until } from '../../../test/until.ts'
import { outboxSql, postgresStore, type OutboxStore } from '../src/index.ts'
import { appWith, collector, event, publish, rowsLeft } from './app.ts'

t.test('events are removed whatever DateStyle and TimeZone are, and no figure fails a batch', async (t) => {
  const { pool: first, url } = await freshPostgres(t)
  await first.query(outboxSql('postgres'))
  const name = new URL(url).pathname.slice(1)
  for (const setting of ["datestyle = 'SQL, DMY'", "timezone = 'Asia/Tokyo'", "intervalstyle = 'sql_standard'"]) {
    await first.query(`alter database ${name} set ${setting}`)
  }
  const pool = new pg.Pool({ connectionString: url })
  t.teardown(() => pool.end())
  const store = postgresStore(pool)
  const { keys, apply } = collector()
  const { app } = await appWith(t, store, { topics: { things: apply } })
  await publish(app, pool, [event('a'), event('b')])
  app.outbox.wake()
  await until('both are removed', async () => await rowsLeft(pool) === 0)
  t.strictSame(keys, ['a', 'b'])
  await pool.query(
    "insert into outbox (topic, key, payload, parked_at) values ('x', 'y', '{}', '2026-05-04T10:00:00Z')"
  )
  t.strictSame((await store.parked())[0]?.parkedAt, new Date('2026-05-04T10:00:00Z'), 'the fourth of May')
})

t.test('a store of somebody else that knows no time holds up nothing', async (t) => {
  const { pool } = await freshPostgres(t)
  await pool.query(outboxSql('postgres'))
  const store = postgresStore(pool)
  const timeless: OutboxStore = {
    ...store,
    work: (claim, settle) =>
      store.work(claim, (events) => settle(events.map((event) => ({ ...event, createdAt: new Date(Number.NaN) }))))
  }
  const { apply } = collector()
  const { app } = await appWith(t, timeless, { topics: { things: apply } })
  await publish(app, pool, [event('a')])
  app.outbox.wake()
  await until('it is removed', async () => await rowsLeft(pool) === 0)
  t.equal(app.outbox.stats()[0]?.latencyMs, 0)
})

t.test('the table may be asked for twice, and figures say when they were counted', async (t) => {
  const { pool } = await freshPostgres(t)
  for (const _ of [1, 2]) await pool.query(outboxSql('postgres'))
  for (const _ of [1, 2]) await pool.query(outboxSql('postgres', 'public.other'))
  const begun = new Date()
  const { app } = await appWith(t, postgresStore(pool), { measureInterval: 20, topics: { things: async () => {} } })
  await until('it has counted', () => app.outbox.stats()[0]?.measuredAt !== undefined)
  t.ok((app.outbox.stats()[0]?.measuredAt ?? 0) >= begun)
  const idle = await appWith(t, postgresStore(pool), { measureInterval: 0, topics: { things: async () => {} } })
  t.match(idle.app.outbox.stats(), [{ waiting: 0, measuredAt: undefined }], 'not yet, not zero')
})
