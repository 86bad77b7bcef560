// Mistakes of the first hour: each is answered by one line that says what is wrong and what to do, and shows no secret.
import Fastify from 'fastify'
import { MongoClient, MongoServerError, type Collection } from 'mongodb'
import pg from 'pg'
import t from 'tap'
import { until } from '../../../test/until.ts'
import changeStream, {
  changeStreamSql,
  clusterTime,
  postgresStore,
  sqliteStore,
  type ChangeStreamOptions,
  type StreamOptions
} from '../src/index.ts'
import { appWith, carry, copyAll, follows, getState, onPostgres, type Thing } from './app.ts'

t.test('change streams refuse', async (t) => {
  const { pool, url, mongoUrl, things, store, equals } = await onPostgres(t)
  const register = async (options: object) => {
    const app = Fastify()
    t.teardown(() => app.close())
    await app.register(changeStream, options as ChangeStreamOptions)
    return app
  }
  const usage = (message: RegExp) => ({ code: 'CHANGE_STREAM_USAGE', message })

  t.test('options that nobody reads, or of another kind', async (t) => {
    const wrong: Array<[object, RegExp]> = [
      [{ store, batchsize: 5 }, /^batchsize is no option of fastify-change-stream; its options are store, follow/],
      [{ pool }, /^pool is no option/],
      [{ store: { insert: () => {} } }, /^the option store must be postgresStore\(pool\)/],
      [{ store, follow: 'false' }, /^the option follow must be true or false, not a text$/],
      [{ store, awaitTime: '5' }, /^the option awaitTime must be a whole number from 1, not a text$/],
      [{ store, measureInterval: -1 }, /^the option measureInterval must be a whole number from 0, not -1$/],
      [{ store, saveInterval: 2 ** 31 }, /^the option saveInterval must be a whole number from 1 to 2000000000, not/]
    ]
    for (const [options, message] of wrong) await t.rejects(register(options), usage(message))
    const app = await register({ store, follow: false, batchSize: undefined, prefix: '/x' })
    await t.rejects(
      async () => await app.register(changeStream, { store }),
      usage(/register fastify-change-stream once/)
    )
  })

  t.test('streams that could not be followed', async (t) => {
    const app = await register({ store, follow: false })
    const follow = app.changeStream.follow as (...args: unknown[]) => void
    const right = { collection: () => things, apply: carry, copy: copyAll }
    const wrong: Array<[unknown[], RegExp]> = [
      [[undefined, right], /needs a name and what to do/],
      [['x'], /takes its options as an object, not undefined/],
      [['x', { ...right, apply: undefined }], /needs the options collection, apply and copy: apply is missing/],
      [['x', { ...right, copy: undefined }], /copy is missing/],
      [['x', { ...right, pipelines: [] }], /^pipelines is no option of changeStream\.follow\('x'\)/],
      [['x', { ...right, collection: things }], /^the option collection must be a function/],
      [['x', { ...right, fullDocument: 'lookup' }], /^the option fullDocument must be one of default, updateLookup/],
      [['x', { ...right, pipeline: {} }], /^the option pipeline must be a list/],
      [['x', { ...right, pipeline: [{ $unset: ['a', '_id'] }] }], /^the option pipeline must leave _id where it is/],
      [['x', { ...right, pipeline: [{ $project: { _id: 0 } }] }], /^the option pipeline must leave _id where it is/]
    ]
    for (const [args, message] of wrong) t.throws(() => follow(...args), usage(message))
    t.doesNotThrow(() => follow('pages', { ...right, copy: undefined, copyPages: async () => ({}) }))
    t.doesNotThrow(() => follow('fields', { ...right, pipeline: [{ $project: { fullDocument: 1 } }, { $unset: 'a' }] }))
  })

  t.test('stores, tables and times of something else', async (t) => {
    t.throws(() => postgresStore(pool, { tabel: 'x' } as never), usage(/^tabel is no option of postgresStore/))
    t.throws(() => sqliteStore(async () => await Promise.reject(new Error()), { tabel: 'x' } as never), usage(/^tabel/))
    t.throws(() => postgresStore(new pg.Client() as never), usage(/not a client of pg/))
    for (const dialect of [undefined, 'postgresql']) t.throws(() => changeStreamSql(dialect as never), usage(/dialect/))
    for (const time of [undefined, null, 5, new Date()]) t.throws(() => clusterTime(time as never), usage(/timestamp/))
  })

  t.test('to be silent about a table or a database that waiting does not help', async (t) => {
    await pool.query('create table if not exists early (stream text primary key, token jsonb)')
    const ended = new pg.Pool({ connectionString: url })
    await ended.end()
    const wrong = new URL(url)
    wrong.password = 'sesame'
    const refused = new pg.Pool({ connectionString: wrong.href })
    t.teardown(() => refused.end())
    const cases: Array<[ChangeStreamOptions['store'], string, RegExp]> = [
      [
        postgresStore(pool, { table: 'nowhere' }),
        '42P01',
        /no table nowhere .* run changeStreamSql\('postgres', 'nowhere'\)/
      ],
      [postgresStore(pool, { table: 'early' }), '42703', /early of change streams lacks a column .* changeStreamSql/],
      [postgresStore(ended), 'Error', /pool of change streams was ended/],
      [postgresStore(refused), '28P01', /refuses the user or the password of the pool/]
    ]
    for (const [store, code, message] of cases) {
      for (const follow of [true, false]) {
        const { app, lines } = await appWith(t, store, things, { follow, measureInterval: 20 })
        await until(`it says so: ${String(message)}`, () => lines.some(({ msg }) => message.test(msg)))
        t.equal(lines.filter(({ msg }) => message.test(msg)).length, 1, 'once')
        t.notMatch(JSON.stringify(lines), /sesame/)
        if (follow) t.match(app.changeStream.stats(), [{ state: 'backing off', error: new RegExp(code) }])
        await app.close()
      }
    }
    const { app } = await appWith(t, postgresStore(pool, { table: 'nowhere' }), things, { follow: false })
    await t.rejects(app.changeStream.resync('things'), { code: 'CHANGE_STREAM_STORE', message: /run changeStreamSql/ })
    await app.close()
  })

  t.test('and goes on by itself when the table is there', async (t) => {
    await pool.query('drop table change_streams')
    await things.insertOne({ _id: 1, n: 1 })
    const { app, lines } = await appWith(t, store, things)
    await until('it says what to do', () => lines.some(({ msg }) => msg.includes('run changeStreamSql')))
    await pool.query(changeStreamSql('postgres'))
    await follows(app)
    await equals([{ id: 1, n: 1 }])
    await app.close()
  })

  t.test('to be silent about what MongoDB refuses for good', async (t) => {
    const wrong = new URL(mongoUrl)
    wrong.username = 'nobody'
    wrong.password = 'sesame'
    const refused = new MongoClient(wrong.href)
    const never = new MongoClient('mongodb://127.0.0.1:1', { serverSelectionTimeoutMS: 50 })
    t.teardown(() => Promise.all([refused.close(), never.close()]))
    const single = Object.create(things, {
      watch: {
        value: () => {
          throw new MongoServerError({
            code: 40573,
            message: 'The $changeStream stage is only supported on replica sets'
          })
        }
      }
    }) as Collection<Thing>
    const cases: Array<[unknown, RegExp]> = [
      [refused.db('a').collection('things'), /^MongoDB refuses the user or the password/],
      [
        never.db('a').collection('things'),
        /^the client of MongoDB is closed, or could not connect .* await client\.connect/
      ],
      [single, /^MongoDB runs without a replica set, which change streams need: .* rs\.initiate/],
      [undefined, /^collection\(\) of a stream must return a collection of MongoDB/]
    ]
    for (const [collection, message] of cases) {
      const { app, lines } = await appWith(t, store, collection as Collection<Thing>)
      await until(`it says so: ${String(message)}`, () => lines.some(({ msg }) => message.test(msg)))
      t.notMatch(JSON.stringify(lines), /sesame/)
      t.equal(getState(app), 'backing off')
      await app.close()
    }
  })

  t.test('errors of apply and copy as if they were of its own table', async (t) => {
    const broken: StreamOptions<Thing>['copy'] = async (tx) => {
      await tx.query('select * from nowhere')
    }
    const { app, lines } = await appWith(t, store, things, { copy: broken })
    await until('it backs off', () => getState(app) === 'backing off')
    t.match(app.changeStream.stats(), [{ error: 'error 42P01' }])
    t.notMatch(JSON.stringify(lines), /changeStreamSql/)
    await app.close()
    const quiet = await appWith(t, store, things, { copy: async () => {}, follow: false })
    t.same(await quiet.app.changeStream.resync('things'), {}, 'a copy need not count')
    await quiet.app.close()
  })
})
