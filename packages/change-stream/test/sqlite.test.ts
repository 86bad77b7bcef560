// MongoDB followed into SQLite.
import t from 'tap'
import { changeStreamSql, sqliteStore } from '../src/index.ts'
import { freshMongo, freshSqlite } from '../../../test/fresh.ts'
import { until } from '../../../test/until.ts'
import { appWith, carry, follows, type Given, type Thing } from './app.ts'

t.test('SQLite', async (t) => {
  const { db } = await freshMongo(t)
  const things = db.collection<Thing>('things')
  const { client, transaction } = await freshSqlite(
    t,
    `${
      changeStreamSql('sqlite')
    } CREATE TABLE things (id integer PRIMARY KEY, n integer); CREATE TABLE seen (what text)`
  )
  const read = async (sql: string) => (await client.execute(sql)).rows.map((row) => ({ ...row }))
  const store = sqliteStore(transaction)
  await things.insertOne({ _id: 1, n: 1 })
  let fails = 1
  const apply: Given['apply'] = async (tx, changes) => {
    await carry(tx, changes)
    if (fails-- > 0) throw new Error('once')
  }
  const first = await appWith(t, store, things, { apply, saveInterval: 20 })
  await follows(first.app)
  t.same(await read('SELECT id, n FROM things'), [{ id: 1, n: 1 }])
  await things.insertOne({ _id: 2, n: 2 })
  await until('carried over', async () => (await read('SELECT * FROM things')).length === 2)
  t.same(await read('SELECT what FROM seen'), [{ what: 'insert 2' }])
  await first.app.close()
  await things.insertOne({ _id: 3, n: 3 })
  const second = await appWith(t, store, things, { saveInterval: 20 })
  await until('goes on', async () => (await read('SELECT * FROM things')).length === 3)
  await db.collection('others').insertOne({})
  t.match(await read('SELECT * FROM change_streams'), [{
    stream: 'things',
    resyncs: 1,
    token: /_data/,
    cluster_time: /^20..-/,
    updated_at: /^20..-/
  }])
  await client.execute('DELETE FROM things')
  t.same(await second.app.changeStream.resync('things'), { copied: 3 })
  t.equal((await read('SELECT * FROM things')).length, 3)
  await second.app.close()
})
