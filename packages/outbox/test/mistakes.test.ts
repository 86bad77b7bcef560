// Mistakes of the first hour: each is answered by one line that says what is wrong and what to do, and shows no secret.
import Fastify from 'fastify'
import pg from 'pg'
import t from 'tap'
import { freshSqlite } from '../../../test/fresh.ts'
import { until } from '../../../test/until.ts'
import outbox, { outboxSql, postgresStore, projectToMongo, sqliteStore, type OutboxOptions } from '../src/index.ts'
import { appWith, event, onPostgres, publish, rowsLeft } from './app.ts'

t.test('the outbox refuses', async (t) => {
  const { pool, url, store } = await onPostgres(t)
  const register = async (options: object) => {
    const app = Fastify()
    t.teardown(() => app.close())
    await app.register(outbox, options as OutboxOptions)
    return app
  }

  t.test('options that nobody reads, or of another kind', async (t) => {
    const wrong: Array<[object, RegExp]> = [
      [{ store, batchsize: 5 }, /^batchsize is no option of fastify-outbox; its options are store, relay/],
      [{ pool }, /^pool is no option/],
      [{ store: pool }, /^the option store must be postgresStore\(pool\)/],
      [{ store, relay: 'false' }, /^the option relay must be true or false, not a text$/],
      [{ store, isTransient: true }, /^the option isTransient must be a function, not true$/],
      [{ store, shows: async () => true }, /^shows is no option/],
      [{ store, batchSize: '5' }, /^the option batchSize must be a whole number from 1, not a text$/],
      [{ store, measureInterval: -1 }, /^the option measureInterval must be a whole number from 0, not -1$/],
      [{ store, pollInterval: 2 ** 31 }, /^the option pollInterval must be a whole number from 1 to 2000000000, not/]
    ]
    for (const [options, message] of wrong) await t.rejects(register(options), { code: 'OUTBOX_USAGE', message })
    await t.resolves(register({ store, relay: undefined, batchSize: undefined, prefix: '/x', logLevel: 'warn' }))
  })

  t.test('a second registration that sees the first', async (t) => {
    const app = await register({ store })
    await t.rejects(async () => await app.register(outbox, { store }), {
      code: 'OUTBOX_USAGE',
      message: /register fastify-outbox once/
    })
    const parent = Fastify()
    await parent.register(async (child) => {
      await child.register(outbox, { store })
      t.ok(child.outbox)
    })
    t.notOk(parent.hasDecorator('outbox'), 'a child may have one of its own')
    await parent.close()
  })

  t.test('handlers that could not be called', async (t) => {
    const app = await register({ store })
    const on = app.outbox.on as (...args: unknown[]) => void
    const apply = async () => {}
    const wrong: Array<[unknown[], RegExp]> = [
      [['x'], /needs the name of a topic and a function/],
      [[undefined, apply], /needs the name of a topic and a function/],
      [['x', apply, { order: true }], /^order is no option of outbox\.on\('x'\); its options are ordered/],
      [['x', apply, { ordered: 'no' }], /^the option ordered must be true or false/],
      [['x', apply, { shows: true }], /^the option shows must be a function/],
      [['x', apply, 5], /takes its options as an object, not 5/]
    ]
    for (const [args, message] of wrong) t.throws(() => on(...args), { code: 'OUTBOX_USAGE', message })
  })

  t.test('stores, tables and projections of something else', async (t) => {
    const usage = (message: RegExp) => ({ code: 'OUTBOX_USAGE', message })
    t.throws(() => postgresStore(pool, { tabel: 'x' } as never), usage(/^tabel is no option of postgresStore/))
    t.throws(() => sqliteStore(async () => await Promise.reject(new Error()), { tabel: 'x' } as never), usage(/^tabel/))
    t.throws(() => postgresStore(new pg.Client() as never), usage(/not a client of pg/))
    for (const dialect of [undefined, 'postgresql', 'PG']) t.throws(() => outboxSql(dialect as never), usage(/dialect/))
    t.throws(() => projectToMongo(undefined as never), usage(/takes its options as an object/))
    t.throws(
      () => projectToMongo({ collection: {}, document: () => ({}) } as never),
      usage(/collection must be a func/)
    )
    t.throws(() => projectToMongo({ collection: () => {}, doc: () => ({}) } as never), usage(/^doc is no option/))
    t.throws(() => projectToMongo({ document: () => ({}) } as never), usage(/needs the options collection/))
  })

  t.test('events without a transaction or that are no JSON', async (t) => {
    const app = await register({ store, relay: false })
    const enqueue = app.outbox.enqueue as (...args: unknown[]) => Promise<string>
    const tx = { query: async () => ({ rows: [{ id: '1' }] }), state: 'open' }
    const circle: { self?: object } = {}
    circle.self = circle
    for (const args of [[], [event('a')], [tx]]) {
      await t.rejects(enqueue(...args), { code: 'OUTBOX_USAGE', message: /needs a transaction and an event/ })
    }
    for (const payload of [1n, circle, Symbol('a')]) {
      await t.rejects(enqueue(tx, event('a', payload)), { code: 'OUTBOX_USAGE', message: /a payload that is JSON/ })
    }
  })

  t.test('to replay or discard what is not a list of ids', async (t) => {
    const { app } = await appWith(t, store, {
      topics: { things: async (events) => events.map(({ id }) => ({ id, error: new Error('no'), park: true })) }
    })
    await publish(app, pool, [event('a')])
    app.outbox.wake()
    await until('it is parked', async () => (await store.parked()).length === 1)
    const { discard, replay } = store as unknown as Record<'discard' | 'replay', (ids?: unknown) => Promise<string[]>>
    for (const ids of [undefined, null, 'all', '1', [1]]) await t.rejects(discard(ids), { code: 'OUTBOX_USAGE' })
    for (const ids of [undefined, 'each', [1]]) await t.rejects(replay(ids), { code: 'OUTBOX_USAGE' })
    t.equal(await rowsLeft(pool), 1, 'it is still there')
    await app.close()
  })

  t.test('to be silent about a table or a database that waiting does not help', async (t) => {
    await pool.query('create table if not exists early (id bigserial primary key, topic text, payload jsonb)')
    const ended = new pg.Pool({ connectionString: url })
    await ended.end()
    const elsewhere = (change: (url: URL) => void) => {
      const changed = new URL(url)
      change(changed)
      const other = new pg.Pool({ connectionString: changed.href })
      t.teardown(() => other.end())
      return postgresStore(other)
    }
    const cases: Array<[OutboxOptions['store'], string, RegExp]> = [
      [
        postgresStore(pool, { table: 'nowhere' }),
        '42P01',
        /no table nowhere .* run outboxSql\('postgres', 'nowhere'\)/
      ],
      [
        postgresStore(pool, { table: 'early' }),
        '42703',
        /early of the outbox lacks a column .* outboxSql\('postgres', 'early'\)/
      ],
      [postgresStore(ended), 'Error', /pool was ended before the app was closed/],
      [elsewhere((url) => url.password = 'sesame'), '28P01', /refuses the user or the password/],
      [elsewhere((url) => url.pathname = '/nowhere'), '3D000', /no database of the name/]
    ]
    for (const [store, code, message] of cases) {
      for (const topics of [{ things: async () => {} }, {}]) {
        const { app, lines } = await appWith(t, store, { topics, measureInterval: 20 })
        await until(`it says so: ${String(message)}`, () => lines.some(({ msg }) => message.test(msg)))
        t.equal(lines.filter(({ msg }) => message.test(msg)).length, 1, 'once')
        t.notMatch(JSON.stringify(lines), /sesame/)
        for (const { error, state } of app.outbox.stats()) {
          t.match({ error, state }, { error: code, state: 'backing off' })
        }
        await app.close()
      }
      await t.rejects(store.parked(), { code: 'OUTBOX_STORE', message })
    }
    await t.rejects(
      pool.connect().then(async (client) => {
        await client.query('begin')
        const app = await register({ store: cases[0]?.[0], relay: false })
        try {
          await app.outbox.enqueue(client, event('a'))
        } finally {
          await client.query('rollback')
          client.release()
        }
      }),
      { code: 'OUTBOX_STORE', message: /run outboxSql/ }
    )
  })

  t.test('and goes on by itself when the table is there', async (t) => {
    await pool.query('drop table outbox')
    const seen: string[] = []
    const { app, lines } = await appWith(t, store, {
      topics: {
        things: async (events) => {
          seen.push(...events.map(({ key }) => key))
        }
      }
    })
    await until('it says what to do', () => lines.some(({ msg }) => msg.includes('run outboxSql')))
    await pool.query(outboxSql('postgres'))
    await publish(app, pool, [event('a')])
    await until('it is applied', () => seen.length === 1)
    await app.close()
  })
})

t.test('in SQLite the words of a missing and of an older table are understood too', async (t) => {
  const { transaction } = await freshSqlite(t, 'CREATE TABLE early (id integer PRIMARY KEY, topic text)')
  const cases: Array<[{ table?: string }, RegExp]> = [
    [{}, /no table outbox .* run outboxSql\('sqlite'\) in a migration/],
    [{ table: 'early' }, /early of the outbox lacks a column .* outboxSql\('sqlite', 'early'\)/]
  ]
  for (const [options, message] of cases) {
    const { app, lines } = await appWith(t, sqliteStore(transaction, options), { topics: { things: async () => {} } })
    await until(`it says so: ${String(message)}`, () => lines.some(({ msg }) => message.test(msg)))
    const writing = transaction(async (tx) => await app.outbox.enqueue(tx, event('a')))
    await t.rejects(writing, { code: 'OUTBOX_STORE', message })
    await app.close()
  }
})
