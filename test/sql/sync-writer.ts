// Run under strace by sync.test.ts: commits so many transactions to an SQLite file, one after the other.
import { SqliteReadWritePool } from '../../plugins/sql/sqlite/read-write-pool.ts'

const [path = '', synchronous = 'normal', count = '0'] = process.argv.slice(2)
const pool = new SqliteReadWritePool({
  path,
  readers: 1,
  timeout: 1000,
  maxWaiting: 10,
  synchronous: synchronous === 'full' ? 'full' : 'normal'
})
await pool.query('create table if not exists t (v)')
for (let n = 0; n < Number(count); n++) {
  const session = await pool.begin({ readOnly: false, isAborted: () => false })
  await session.query('insert into t values ($1)', [n])
  await session.end('commit')
}
pool.close()
