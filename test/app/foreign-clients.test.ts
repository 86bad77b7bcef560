import { createServer, type AddressInfo } from 'node:net'
import { once } from 'node:events'
import { drizzle } from 'drizzle-orm/node-postgres'
import { sql } from 'drizzle-orm'
import { MongoClient } from 'mongodb'
import Libsql from 'libsql'
import pg from 'pg'
import t, { type Test } from 'tap'
import type { App } from '../../app.ts'
import { mongoDatabase } from '../../plugins/mongo/index.ts'
import { createThings } from '../fixture/tables.ts'
import { build, databases } from '../helper.ts'

type Calls = Record<string, () => Promise<unknown>>

const SECRET = 'secret-of-ada'
const TWICE = [{ _id: SECRET }, { _id: SECRET }] as unknown as Array<Record<string, string>>

/** A server that answers each connection with one refusal of PostgreSQL's. */
async function refusingPort (t: Test, code: string): Promise<number> {
  const fields = `SFATAL\0VFATAL\0C${code}\0M${SECRET}\0\0`
  const message = Buffer.alloc(5 + fields.length)
  message.write('E')
  message.writeInt32BE(4 + fields.length, 1)
  message.write(fields, 5)
  const server = createServer((socket) => {
    socket.on('error', () => {}).once('data', () => socket.end(message))
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  return (server.address() as AddressInfo).port
}

/** What a handler's own clients of PostgreSQL fail with, answered by a server. */
async function postgresCalls (t: Test): Promise<Calls> {
  const { databaseUrl } = await databases(t)
  const pool = new pg.Pool({ connectionString: databaseUrl, max: 2 })
  t.teardown(() => pool.end())
  await pool.query('create table things (name text primary key)')
  const insertTwice = async () => await pool.query('insert into things values ($1), ($1)', [SECRET])
  const calls: Calls = {
    'pg-duplicate': insertTwice,
    'pg-value': () => pool.query('select $1::int', [SECRET]),
    'pg-conflict': () => pool.query("do 'begin raise exception ''x'' using errcode = ''40001''; end'"),
    'pg-ended': () => pool.query('select pg_terminate_backend(pg_backend_pid())'),
    'pg-timeout': () => pool.query("set statement_timeout = 1; select pg_sleep(5), 'reset'"),
    drizzle: () => drizzle(pool).execute(sql`insert into things values (${SECRET}), (${SECRET})`),
    wrapped: () =>
      insertTwice().catch((cause: unknown) => {
        throw new Error('order refused', { cause: new Error('inner', { cause }) })
      }),
    aggregate: () => Promise.any([insertTwice(), insertTwice()]),
    transaction: async () => {
      const client = await pool.connect()
      try {
        await client.query('begin')
        return await client.query('insert into things values ($1), ($1)', [SECRET])
      } finally {
        await client.query('rollback')
        client.release()
      }
    }
  }
  for (const code of ['28P01', '28000', '57P01', '57P03', '53300', '53200', '3D000', '08004', '0A000']) {
    const port = await refusingPort(t, code)
    calls[`pg-${code}`] = () => new pg.Client({ host: '127.0.0.1', port, user: 'me' }).connect()
    calls[`pool-${code}`] = async () => {
      const refused = new pg.Pool({ host: '127.0.0.1', port, user: 'me' })
      return await refused.query('select 1').finally(() => refused.end())
    }
  }
  return calls
}

/** The same of MongoDB: a client of its own on the very servers that the app uses. */
async function mongoCalls (t: Test): Promise<Calls> {
  const { mongoUrl, mongoDatabase } = await databases(t)
  const client = await new MongoClient(mongoUrl).connect()
  t.teardown(() => client.close())
  const things = client.db(mongoDatabase).collection('things')
  await things.insertOne(TWICE[0] ?? {})
  return {
    'mongo-one': () => things.insertOne({ ...TWICE[0] }),
    'mongo-many': () => things.insertMany(TWICE.map((one) => ({ ...one }))),
    'mongo-unordered': () =>
      things.bulkWrite(TWICE.map((document) => ({ insertOne: { document: { ...document } } })), { ordered: false }),
    'mongo-update': () => things.updateOne({ a: 1 }, { $set: { _id: SECRET } }, { upsert: true }),
    'mongo-command': () => client.db('admin').command({ noSuchCommand: 1 }),
    'mongo-find': () => things.find({ $where: 'x', a: { $near: SECRET } }).toArray(),
    'mongo-concern': () => things.insertOne({}, { writeConcern: { w: 9, wtimeoutMS: 1 } }),
    'mongo-concern-many': () => things.insertMany([{}, {}], { writeConcern: { w: 9, wtimeoutMS: 1 } }),
    'mongo-too-large': () => things.insertOne({ text: 'x'.repeat(18_000_000) }),
    'mongo-bson': () => things.insertOne({ at: Number.NaN, ['a\0b']: 1 }),
    'mongo-transaction': () =>
      client.withSession((session) =>
        session.withTransaction(() => things.insertOne({ ...TWICE[0] } as object, { session }))
      )
  }
}

/** And of what else a handler may ask. */
async function otherCalls (): Promise<Calls> {
  const file = new Libsql(':memory:')
  file.exec('create table things (name text primary key)')
  const insert = async () => file.prepare('insert into things values (?)').run(SECRET)
  await insert()
  return {
    sqlite: insert,
    'sqlite-missing': async () => new Libsql('/no/such/folder/file.db'),
    'sqlite-statement': async () => file.prepare(`select ${SECRET}`),
    mysql: async () => {
      const fields = { code: 'ER_DUP_ENTRY', errno: 1062, sqlMessage: `Duplicate entry '${SECRET}'` }
      throw Object.assign(new Error(fields.sqlMessage), fields)
    },
    'node-sqlite': async () => {
      throw Object.assign(new Error(`near "${SECRET}"`), { code: 'ERR_SQLITE_ERROR', errcode: 1 })
    }
  }
}

t.test('F56 what answers a client of the handler is not said of the database', async (t) => {
  const lines: string[] = []
  const calls = { ...await postgresCalls(t), ...await mongoCalls(t), ...await otherCalls() }
  const runs: Record<string, number> = {}
  const app = await build(t, {
    logger: { level: 'warn', stream: { write: (line) => void lines.push(line) } },
    plugins: async (app) => {
      for (const [name, call] of Object.entries(calls)) {
        app.get(`/calls/${name}`, call)
        app.post(`/calls/${name}`, { config: { transaction: { retries: 2 } } }, async (request) => {
          runs[name] = (runs[name] ?? 0) + 1
          await request.transaction.query('SELECT 1')
          return await call()
        })
        app.put(`/calls/${name}`, { config: { transaction: { store: 'mongo', retries: 2 } } }, async (request) => {
          await request.mongo.collection('notes').findOne({})
          return await call()
        })
      }
    }
  })
  for (const url of Object.keys(calls)) {
    for (const method of ['GET', 'POST', 'PUT'] as const) {
      const reply = await app.inject({ method, url: `/calls/${url}` })
      t.match(reply.json(), { status: 500, type: '/docs/problems#internal' }, `${method} ${url}`)
      t.equal(reply.headers['retry-after'], undefined)
    }
    t.equal(runs[url], url === 'pg-conflict' ? 3 : 1, `${url}: only a conflict makes its handler run again`)
  }
  t.same(await problems(app), ['internal'], 'metrics say the same')
  t.notMatch(lines.join(''), /"message":"database: /, 'and the log')
  t.notMatch(lines.join(''), SECRET, 'which holds no values')
  t.match(lines.join(''), '"sqlstate":"23505"')
})

async function problems (app: App): Promise<string[]> {
  const { values } = await app.metrics.registry.getSingleMetric('tandem_problems_total')?.get() ?? { values: [] }
  return [...new Set(values.map(({ labels }) => String(labels['type'])))]
}

t.test('what answers the connections of the service is, wherever it is asked', async (t) => {
  const twice = () => TWICE.map((one) => ({ ...one }))
  const app = await build(t, {
    plugins: async (app) => {
      await createThings(app)
      const things = () => mongoDatabase(app).collection('things')
      const insert = 'insert into things (name) values ($1), ($1)'
      const values = ['Ada']
      const calls: Calls = {
        pool: () => app.pg.pool.query(insert, values),
        client: async () => {
          const client = await app.pg.connect()
          return await client.query(insert, values).finally(() => {
            client.release()
          })
        },
        drizzle: () => app.db.execute(sql`insert into things (name) values ('a'), ('a')`),
        transaction: () => app.transaction((transaction) => transaction.query(insert, values)),
        aggregate: () => Promise.any([app.pg.pool.query(insert, values), Promise.reject(new Error('no other way'))]),
        wrapped: () =>
          app.pg.pool.query(insert, values).catch((cause: unknown) => {
            throw new Error('order refused', { cause })
          }),
        'mongo-one': () => things().insertOne({ ...TWICE[0] }),
        'mongo-many': () => things().insertMany(twice()),
        'mongo-bulk': () =>
          things().bulkWrite(twice().map((document) => ({ insertOne: { document } })), { ordered: false }),
        'mongo-updates': () =>
          things().bulkWrite(
            [{ updateOne: { filter: { a: 1 }, update: { $set: { _id: SECRET } }, upsert: true } }] as never
          ),
        'mongo-other': () =>
          app.mongo.client.db(app.config.MONGODB_DATABASE).collection('things').insertOne({ ...TWICE[0] })
      }
      for (const [name, call] of Object.entries(calls)) app.get(`/calls/${name}`, call)
      app.post('/calls/request', async (request) => await request.transaction.query(insert, values))
      app.post(
        '/calls/both',
        { config: { transaction: { store: 'mongo' } } },
        async (request) => await request.mongo.collection('things').insertMany(twice())
      )
      app.get('/concern', () => things().insertMany([{}, {}], { writeConcern: { w: 9, wtimeoutMS: 1 } }))
      app.get('/too-large', () => things().insertOne({ text: 'x'.repeat(18_000_000) }))
      app.get('/broken', async () => {
        const client = await app.pg.connect()
        client.connection.stream.destroy()
        await new Promise((resolve) => client.once('end', () => setImmediate(resolve)))
        return await client.query('select 1').finally(() => {
          client.release(true)
        })
      })
      app.addHook('onReady', async () => {
        await things().insertOne({ ...TWICE[0] })
      })
    }
  })
  for (
    const name of [
      'pool',
      'client',
      'drizzle',
      'transaction',
      'aggregate',
      'wrapped',
      'mongo-one',
      'mongo-many',
      'mongo-bulk',
      'mongo-updates',
      'mongo-other'
    ]
  ) {
    t.match((await app.inject(`/calls/${name}`)).json(), { status: 409, type: '/docs/problems#duplicate' }, name)
  }
  for (const url of ['/calls/request', '/calls/both']) {
    t.match((await app.inject({ method: 'POST', url })).json(), { status: 409, type: '/docs/problems#duplicate' }, url)
  }
  t.match((await app.inject('/concern')).json(), { status: 500, type: '/docs/problems#outcome-unknown' })
  t.match((await app.inject('/too-large')).json(), { status: 413, type: '/docs/problems#document-too-large' })
  t.match((await app.inject('/broken')).json(), { status: 503, type: '/docs/problems#database-unavailable' })
})
