import t from 'tap'
import { Proxy } from '../../../../test/proxy.ts'
import { comesTrue, pair, setup, twoPhase, type Item, type Pair } from './fixture.ts'

const getItems = ({ db }: Pair) => db.collection<Item>('item')

void t.test('a conflict in either store runs the handler again', async (t) => {
  const stores = await pair(t)
  await stores.sql.query('insert into parent values (1)')
  await getItems(stores).insertOne({ _id: 1, note: '0' })
  const runs = { sql: 0, mongo: 0 }
  const { send, stored, isClean } = await setup(t, {
    pair: stores,
    routes: (app) => {
      app.post(
        '/sql',
        twoPhase({ retries: 2, isolationLevel: 'serializable' }),
        async function run ({ transaction, mongo }) {
          runs.sql++
          await transaction.query('select * from item')
          if (runs.sql === 1) await stores.sql.query('update parent set id = 1')
          await mongo.collection<Item>('item').insertOne({ _id: 40 })
          await transaction.query('update parent set id = 1')
          await transaction.query('insert into item values (40)')
          return {}
        }
      )
      app.post('/mongo', twoPhase({ retries: 2 }), async function run ({ transaction, mongo }) {
        runs.mongo++
        await transaction.query('insert into item values (41)')
        await mongo.collection<Item>('item').findOne({ _id: 1 })
        if (runs.mongo === 1) await getItems(stores).updateOne({ _id: 1 }, { $set: { note: 'other' } })
        await mongo.collection<Item>('item').updateOne({ _id: 1 }, { $set: { note: 'mine' } })
        await mongo.collection<Item>('item').insertOne({ _id: 41 })
        return {}
      })
    }
  })
  t.equal((await send('POST', '/sql')).status, 200)
  t.equal((await send('POST', '/mongo')).status, 200)
  t.same(runs, { sql: 2, mongo: 2 })
  const { sql, mongo } = await stored()
  t.same([sql, mongo], [[40, 41], [1, 40, 41]])
  t.ok(await isClean())
})

void t.test('a deadline and a client that leaves take both stores back', async (t) => {
  const stores = await pair(t)
  const reached = { deadline: 0, gone: 0 }
  const { send, stored, isClean } = await setup(t, {
    pair: stores,
    routes: (app) => {
      app.post('/deadline', twoPhase({ deadline: 300 }), async function run ({ transaction, mongo }) {
        await mongo.collection<Item>('item').insertOne({ _id: 50 })
        reached.deadline++
        return await transaction.query('insert into item select 50 from pg_sleep(30)')
      })
      app.post('/gone', twoPhase(), async function run ({ transaction, mongo }) {
        await transaction.query('insert into item values (51)')
        await mongo.collection<Item>('item').insertOne({ _id: 51 })
        reached.gone++
        await comesTrue(() => transaction.state === 'rolled back')
        return {}
      })
    }
  })
  const before = await stored()
  t.equal((await send('POST', '/deadline')).status, 504)
  const sent = send('POST', '/gone')
  t.ok(await comesTrue(() => reached.gone === 1))
  sent.abort()
  t.ok(
    await comesTrue(async () => {
      const { rows } = await stores.sql.query(
        "select 1 from pg_stat_activity where datname = current_database() and state like 'idle in%'"
      )
      return rows.length === 0
    })
  )
  t.same(await stored(), before)
  t.ok(await isClean())
})

void t.test('what is given up while PostgreSQL begins takes no statement any more', async (t) => {
  const stores = await pair(t)
  const proxy = await Proxy.start(stores.sqlUrl)
  t.teardown(() => proxy.close())
  let begin = (): void => {}
  const { app, pool, send, stored, isClean } = await setup(t, {
    pair: stores,
    pool: { connectionString: proxy.through(stores.sqlUrl) },
    plugin: { twoPhase: { pool: stores.sql } },
    routes: (app) => {
      app.post('/', twoPhase({ deadline: 200 }), async function run ({ transaction, mongo }) {
        await mongo.collection<Item>('item').insertOne({ _id: 60 })
        begin()
        return await transaction.query('insert into item values (60)')
      })
    }
  })
  await pool.query('select 1')
  begin = () => {
    proxy.pause()
  }
  t.equal((await send('POST', '/')).status, 504)
  proxy.resume()
  t.ok(await comesTrue(() => pool.idleCount === pool.totalCount), 'its connection is given back')
  begin = () => {}
  t.equal((await pool.query('select 1')).rowCount, 1)
  t.same(await stored(), { sql: [], mongo: [] })
  t.equal(app.twoPhase.inDoubt.length, 0)
  t.ok(await isClean())
})

void t.test('many at once, refused and not, agree in both stores', async (t) => {
  const stores = await pair(t)
  const { send, isClean } = await setup(t, {
    pair: stores,
    routes: (app) => {
      app.post<{ Params: { id: string } }>('/:id', twoPhase({ retries: 3 }), async function run (request) {
        const id = Number(request.params.id)
        const [first, second] = Math.random() < 0.5 ? ['sql', 'mongo'] : ['mongo', 'sql']
        for (const store of [first, second]) {
          if (store === 'sql') await request.transaction.query('insert into item values ($1)', [id])
          else await request.mongo.collection<Item>('item').insertOne({ _id: id })
        }
        if (Math.random() < 0.3) throw new Error('no')
        return {}
      })
    }
  })
  const ids = Array.from({ length: 60 }, () => 1000 + Math.floor(Math.random() * 40))
  const answers = await Promise.all(ids.map(async (id) => ({ id, status: (await send('POST', `/${id}`)).status })))
  const expected = [...new Set(answers.filter(({ status }) => status === 200).map(({ id }) => id))].toSorted((a, b) =>
    a - b
  )
  const { rows } = await stores.sql.query<{ id: number }>('select id from item where id >= 1000 order by id')
  const documents = await getItems(stores).find({ _id: { $gte: 1000 } }).sort({ _id: 1 }).toArray()
  t.same(rows.map(({ id }) => id), expected)
  t.same(documents.map(({ _id }) => _id), expected)
  t.ok(await isClean())
})
