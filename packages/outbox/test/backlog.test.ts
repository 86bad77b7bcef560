// What the stores say of rows that wait: few are counted, many are estimated.
import t, { type Test } from 'tap'
import { outboxSql, postgresStore, sqliteStore, type OutboxStore } from '../src/index.ts'
import { freshSqlite } from '../../../test/fresh.ts'
import { onPostgres } from './app.ts'

interface Table {
  store: OutboxStore
  run: (sql: string) => Promise<unknown>
}

t.test('PostgreSQL', async (t) => {
  const { pool, store } = await onPostgres(t)
  // The estimate is of PostgreSQL's statistics, which follow by themselves after a second or more.
  const run = (sql: string) => pool.query(`${sql}; SELECT pg_stat_force_next_flush()`)
  await t.test('small and large topics', (t) => measuresBacklog(t, { store, run }))
})

t.test('SQLite', async (t) => {
  const { client, transaction } = await freshSqlite(t, outboxSql('sqlite'))
  const table = { store: sqliteStore(transaction), run: (sql: string) => client.execute(sql) }
  await t.test('small and large topics', (t) => measuresBacklog(t, table))
})

async function measuresBacklog (t: Test, { store, run }: Table): Promise<void> {
  const measure = async () => (await store.measure()).toSorted((a, b) => a.topic < b.topic ? -1 : 1)
  const add = (topic: string, count: number, columns: Record<string, string> = {}) => {
    const row = Object.entries({ topic, key: 'key', payload: '{}', ...columns })
    const values = row.map(([, value]) => `'${value.replaceAll("'", "''")}'`).join()
    return run(
      `INSERT INTO outbox (${row.map(([name]) => name).join()}) VALUES ${Array(count).fill(`(${values})`).join()}`
    )
  }
  const longAgo = '2020-01-01T00:00:00.000Z'

  t.same(await store.measure(), [], 'nothing waits')
  await add('small', 7)
  await add('small', 3, { parked_at: longAgo })
  await add("l'autre topic", 1, { created_at: longAgo })
  await add('all parked', 2, { parked_at: longAgo })
  t.match(await measure(), [
    { topic: 'all parked', waiting: 0, parked: 2, oldestMs: 0 },
    { topic: "l'autre topic", waiting: 1, parked: 0 },
    { topic: 'small', waiting: 7, parked: 3 }
  ], 'each topic is counted, whatever it is called')
  const [, old, young] = await measure()
  t.ok(Number(old?.oldestMs) > 5 * 365 * 86_400_000, 'years old')
  t.ok(Number(young?.oldestMs) >= 0 && Number(young?.oldestMs) < Number(old?.oldestMs))

  await add('z large', 999)
  t.match((await measure())[3], { topic: 'z large', waiting: 999 }, 'as it is')
  await add('z large', 1501)
  t.match(await measure(), [
    { topic: 'all parked', waiting: 0, parked: 2 },
    { topic: "l'autre topic", waiting: 1, parked: 0 },
    { topic: 'small', waiting: 7, parked: 3 },
    { topic: 'z large', waiting: 2500, parked: 0 }
  ], 'what is not of the small ones is of the large one, and hides none of them')
  await add('y large', 1500)
  const sizes = (await measure()).slice(3).map(({ topic, waiting }) => [topic, waiting])
  t.same(sizes, [['y large', 2000], ['z large', 2000]], 'large ones are taken for equally large')
  await add('small', 1200, { parked_at: longAgo })
  t.match((await measure())[2], { topic: 'small', waiting: 7, parked: 1000 }, 'parked rows are counted to a thousand')
  await run("DELETE FROM outbox WHERE topic LIKE '%large' OR topic LIKE 'l%' OR parked_at IS NULL")
  t.match((await measure()).map(({ topic, waiting }) => [topic, waiting]), [['all parked', 0], ['small', 0]])
  await run('DELETE FROM outbox')
}

t.test('a table may be called as anything in the statement is', async (t) => {
  const { pool } = await onPostgres(t)
  const names = ['topics', 'counts', 'shares', 'counted', 't', 'c', 'o', 'topic', 'waiting']
  await t.test('PostgreSQL', async (t) => {
    for (const table of names) {
      await pool.query(outboxSql('postgres', table))
      t.same(await postgresStore(pool, { table }).measure(), [], table)
      await pool.query(`DROP TABLE ${table}`)
    }
  })
  await t.test('SQLite', async (t) => {
    const { transaction } = await freshSqlite(t, names.map((table) => outboxSql('sqlite', table)).join('\n'))
    for (const table of names) t.same(await sqliteStore(transaction, { table }).measure(), [], table)
  })
})
