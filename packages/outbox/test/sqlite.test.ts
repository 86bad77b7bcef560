// The outbox in SQLite.
import t from 'tap'
import { outboxSql, sqliteStore, type Apply } from '../src/index.ts'
import { freshSqlite } from '../../../test/fresh.ts'
import { until } from '../../../test/until.ts'
import { appWith, collector, event, many } from './app.ts'

t.test('SQLite', async (t) => {
  const { client, transaction } = await freshSqlite(t, outboxSql('sqlite'))
  const count = async () => Number((await client.execute('SELECT count(*) AS n FROM outbox')).rows[0]?.n)
  const store = sqliteStore(transaction)

  t.test('applies, retries, parks, replays and discards as PostgreSQL does', async (t) => {
    const { keys, apply } = collector(({ key }) => key === '3' ? new Error("it's bad") : undefined)
    const { app } = await appWith(t, store, {
      topics: { things: [apply, { maxAttempts: 2, batchSize: 4 }] },
      measureInterval: 20
    })
    const ids = await transaction(async (tx) => {
      const written: string[] = []
      for (const each of many(10)) written.push(await app.outbox.enqueue(tx, each))
      return written
    })
    await t.rejects(
      transaction(async (tx) => {
        await app.outbox.enqueue(tx, event('lost'))
        throw new Error('rolled back')
      }),
      { message: 'rolled back' }
    )
    app.outbox.wake()
    t.equal(await app.outbox.applied(String(ids[9]), 5000), true)
    await until('nine are applied', () => keys.length === 9)
    await until('the bad one is tried again and parked', async () => {
      await transaction(async (tx) => await tx.query("UPDATE outbox SET available_at = '2000-01-01T00:00:00.000Z'", []))
      return (await store.parked()).length === 1
    })
    t.match(await store.parked(), [{
      id: ids[3],
      key: '3',
      payload: { n: 3 },
      attempts: 2,
      lastError: "Error: it's bad"
    }])
    await until('measured', () => app.outbox.stats()[0]?.parked === 1)
    t.equal(await app.outbox.applied(String(ids[3]), 60), false)
    t.same(await store.replay('all'), [ids[3]])
    t.same(await store.replay([String(ids[3])]), [], 'it waits again')
    await until('parked again', async () => {
      await transaction(async (tx) => await tx.query("UPDATE outbox SET available_at = '2000-01-01T00:00:00.000Z'", []))
      return (await store.parked()).length === 1
    })
    t.same(await store.discard([String(ids[3])]), [ids[3]])
    t.equal(await count(), 0)
    await app.close()
  })

  t.test('ordered, and measured', async (t) => {
    const seen: number[] = []
    const apply: Apply = async (events) => {
      seen.push(...events.map(({ payload }) => (payload as { n: number }).n))
    }
    const writer = await appWith(t, store, { relay: false })
    await transaction(async (tx) => {
      for (let n = 0; n < 9; n++) await writer.app.outbox.enqueue(tx, event('one key', { n }))
    })
    t.match(await store.measure(), [{ topic: 'things', waiting: 9, parked: 0 }])
    const { app } = await appWith(t, store, { topics: { things: [apply, { ordered: true }] } })
    await until('all are applied', async () => await count() === 0)
    t.same(seen, [0, 1, 2, 3, 4, 5, 6, 7, 8])
    await Promise.all([writer.app.close(), app.close()])
  })

  t.test('ordered: a key that fails with a long backlog holds up nobody else', async (t) => {
    const seen: string[] = []
    const apply: Apply = async (events) => {
      const failures = events.filter(({ key }) => key === 'bad').map(({ id }) => ({ id, error: new Error('refused') }))
      seen.push(...events.map(({ key }) => key).filter((key) => key !== 'bad'))
      return failures
    }
    const writer = await appWith(t, store, { relay: false })
    await transaction(async (tx) => {
      for (let n = 0; n < 1200; n++) await writer.app.outbox.enqueue(tx, event('bad', { n }))
      for (let n = 0; n < 9; n++) await writer.app.outbox.enqueue(tx, event(n % 2 === 0 ? `a ${n}` : `c ${n}`))
    })
    const { app } = await appWith(t, store, { topics: { things: [apply, { ordered: true, batchSize: 3 }] } })
    await until('all others are applied', () => seen.length === 9)
    t.equal(await count(), 1200)
    await Promise.all([writer.app.close(), app.close()])
  })
})
