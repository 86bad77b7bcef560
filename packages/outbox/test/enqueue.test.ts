// Writing events into the outbox, and what it refuses.
import { setTimeout as sleep } from 'node:timers/promises'
import Fastify from 'fastify'
import t from 'tap'
import outbox, {
  outboxSql,
  postgresStore,
  sqliteStore,
  type OutboxEvent,
  type OutboxOptions,
  type OutboxTransaction
} from '../src/index.ts'
import { until } from '../../../test/until.ts'
import { appWith, collector, event, onPostgres, publish, rowsLeft } from './app.ts'

t.test('PostgreSQL', async (t) => {
  const { pool, store } = await onPostgres(t)

  t.test('an event is applied after the commit, with all it was given, and its row goes', async (t) => {
    const seen: OutboxEvent[] = []
    const { app } = await appWith(t, store, {
      pollInterval: 60_000,
      topics: {
        things: async (events) => {
          seen.push(...events)
        }
      }
    })
    const client = await pool.connect()
    await client.query('BEGIN')
    const id = await app.outbox.enqueue(client, event('a', { text: 'ä"\\', list: [1, null] }))
    app.outbox.wake()
    await sleep(30)
    t.same(seen, [], 'nothing before the commit')
    await client.query('COMMIT')
    client.release()
    app.outbox.wake('things')
    t.equal(await app.outbox.applied(id, 5000), true)
    t.match(seen, [{ id, topic: 'things', key: 'a', payload: { text: 'ä"\\', list: [1, null] }, attempts: 0 }])
    t.type(seen[0]?.createdAt, Date)
    t.equal(await rowsLeft(pool), 0)
    await app.close()
  })

  t.test('an event of a rolled back transaction never was', async (t) => {
    const { keys, apply } = collector()
    const { app } = await appWith(t, store, { topics: { things: apply } })
    const client = await pool.connect()
    await client.query('BEGIN')
    await app.outbox.enqueue(client, event('lost'))
    await client.query('ROLLBACK')
    client.release()
    const [id] = await publish(app, pool, [event('kept')])
    t.equal(await app.outbox.applied(String(id), 5000), true)
    t.same(keys, ['kept'])
    await app.close()
  })

  t.test('enqueue refuses everything that is not an open transaction', async (t) => {
    const { app } = await appWith(t, store)
    const client = await pool.connect()
    const refused = { code: 'OUTBOX_NO_TRANSACTION', statusCode: 500, message: /outside a transaction/ }
    await t.rejects(app.outbox.enqueue(client, event('a')), refused, 'a client outside BEGIN')
    await t.rejects(app.outbox.enqueue(pool, event('a')), refused, 'a pool')
    await t.rejects(app.outbox.enqueue(null as unknown as OutboxTransaction, event('a')), refused, 'nothing at all')
    for (const state of ['committing', 'committed', 'rolled back', 'failed', 'lost', 'unknown']) {
      await t.rejects(
        app.outbox.enqueue({ query: async () => ({ rows: [] }), state }, event('a')),
        refused,
        `state ${state}`
      )
    }
    await client.query('BEGIN')
    await client.query('SELECT 1/0').catch(() => {})
    await until('pg knows that it is aborted', () => client.getTransactionStatus() === 'E')
    await t.rejects(app.outbox.enqueue(client, event('a')), refused, 'an aborted transaction')
    await client.query('ROLLBACK')
    t.equal(
      await app.outbox.enqueue({ query: async () => ({ rows: [{ id: '7' }] }), state: 'idle' }, event('a')),
      '7',
      'idle: the first statement begins it'
    )
    client.release()
    t.equal(await rowsLeft(pool), 0)
    await app.close()
  })

  t.test('enqueue refuses events nobody could apply', async (t) => {
    const { app } = await appWith(t, store)
    const tx = { query: async () => ({ rows: [{ id: '1' }] }), state: 'open' }
    const usage = { code: 'OUTBOX_USAGE', message: /needs a topic and a key/ }
    await t.rejects(app.outbox.enqueue(tx, { topic: '', key: 'a', payload: 1 }), usage)
    await t.rejects(app.outbox.enqueue(tx, { topic: 'things', key: '', payload: 1 }), usage)
    await t.rejects(app.outbox.enqueue(tx, { topic: 'things', key: 5 as unknown as string, payload: 1 }), usage)
    await t.rejects(app.outbox.enqueue(tx, event('a', () => {})), usage)
    await t.resolves(app.outbox.enqueue(tx, event('a', null)), 'null is JSON')
    await app.close()
  })

  t.test('events of topics without a handler wait, and are counted', async (t) => {
    const { keys, apply } = collector()
    const { app } = await appWith(t, store, { topics: { things: apply } })
    await publish(app, pool, [event('x', {}, 'unknown'), event('a')])
    app.outbox.wake()
    await until('the known one is applied', () => keys.length === 1)
    await until('its row is gone', async () => (await app.outbox.store.measure()).length === 1)
    t.match(await app.outbox.store.measure(), [{ topic: 'unknown', waiting: 1, parked: 0 }])
    await app.close()
  })

  t.test('a table in a schema of its own', async (t) => {
    await pool.query(
      `CREATE SCHEMA IF NOT EXISTS mail; DROP TABLE IF EXISTS mail.events; ${outboxSql('postgres', 'mail.events')}`
    )
    const { keys, apply } = collector(({ key, attempts }) =>
      key === 'b' && attempts === 0 ? new Error('once') : undefined
    )
    const own = postgresStore(pool, { table: 'mail.events' })
    const { app } = await appWith(t, own, { topics: { things: apply, ordered: [apply, { ordered: true }] } })
    await publish(app, pool, [event('a'), event('b'), event('c', {}, 'ordered')])
    await until('b is tried again', async () => {
      await pool.query('UPDATE mail.events SET available_at = now()')
      return keys.length === 3
    })
    t.same(keys.sort(), ['a', 'b', 'c'])
    await app.close()
    t.throws(() => postgresStore(pool, { table: 'a; DROP TABLE b' }), {
      code: 'OUTBOX_USAGE',
      message: /is no table name/
    })
    t.throws(() => outboxSql('sqlite', '1st'), { code: 'OUTBOX_USAGE' })
    for (const strange of [undefined, null, {}, 'postgres://localhost/app', { connect: () => {} }]) {
      t.throws(() => postgresStore(strange as never), { code: 'OUTBOX_USAGE', message: /needs a pg\.Pool/ })
      t.throws(() => sqliteStore(strange as never), { code: 'OUTBOX_USAGE', message: /needs a function/ })
    }
  })

  t.test('wrong options and late handlers are refused with a sentence', async (t) => {
    const register = async (options: object) => {
      await Fastify().register(outbox, options as OutboxOptions)
    }
    await t.rejects(register({}), { code: 'OUTBOX_USAGE', message: /store is missing/ })
    await t.rejects(register({ store, batchSize: 0 }), {
      message: 'the option batchSize must be a whole number from 1, not 0'
    })
    await t.rejects(register({ store, pollInterval: '5' }), { message: /pollInterval/ })
    const { app } = await appWith(t, store, { topics: { things: async () => {} } })
    t.throws(() => {
      app.outbox.on('more', async () => {})
    }, { code: 'OUTBOX_USAGE', message: /after the app was ready/ })
    await app.close()
    const early = Fastify()
    await early.register(outbox, { store })
    early.outbox.on('things', async () => {})
    t.throws(() => {
      early.outbox.on('things', async () => {})
    }, { message: /already has a handler/ })
    t.throws(() => {
      early.outbox.on('more', async () => {}, { maxAttempts: 1.5 })
    }, { message: /maxAttempts/ })
    await early.close()
  })
})
