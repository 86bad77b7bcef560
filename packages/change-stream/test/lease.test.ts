// Who follows a stream is said by a row with an expiry: no session holds it.
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { postgresStore } from '../src/index.ts'
import { appWith, follows, getState, onPostgres } from './app.ts'
import { until } from '../../../test/until.ts'

t.test('the lease of a stream', async (t) => {
  const { pool, store, things, equals, seen } = await onPostgres(t)
  const lease = async () =>
    (await pool.query<{ leader: string | null; is_valid: boolean }>(
      'SELECT leader, leader_until > clock_timestamp() AS is_valid FROM change_streams'
    )).rows[0]

  t.test('a leader that vanished is replaced when its lease is over', async (t) => {
    const gone = await store.lead('things', new AbortController().signal)
    await pool.query("UPDATE change_streams SET leader = 'a process that was killed'")
    await until('the first one knows it', () => gone.lost.aborted)
    const { app } = await appWith(t, store, things)
    await things.insertOne({ _id: 1, n: 1 })
    await equals([{ id: 1, n: 1 }])
    t.ok((await lease())?.is_valid)
    await app.close()
    t.equal((await lease())?.leader, null, 'who stops gives it back at once')
  })

  t.test('a lease that is in use by a batch is not taken, however long that takes', async (t) => {
    const { app } = await appWith(t, store, things, {
      apply: async (tx, changes) => {
        await tx.query('SELECT pg_sleep(6)')
        for (const { operationType } of changes) await tx.query('INSERT INTO seen (what) VALUES ($1)', [operationType])
      }
    })
    await follows(app)
    await things.insertOne({ _id: 1, n: 1 })
    await sleep(500)
    const other = await appWith(t, postgresStore(pool), things)
    await until('it is carried over', async () => (await seen()).length === 1, 20_000)
    t.same(await seen(), ['insert'])
    t.ok([app, other.app].some((one) => getState(one) === 'following'))
    await Promise.all([app.close(), other.app.close()])
  })

  t.test('every process says how far the copy is, whoever leads', async (t) => {
    const leader = await appWith(t, store, things)
    await follows(leader.app)
    await things.insertOne({ _id: 1, n: 1 })
    await equals([{ id: 1, n: 1 }])
    const other = await appWith(t, store, things, { measureInterval: 50 })
    await until('it has measured', () => other.app.changeStream.stats()[0]?.lagMs !== undefined)
    t.match(other.app.changeStream.stats(), [{
      state: 'waiting to lead',
      lagMs: Number,
      isLeaderless: false,
      measuredAt: Date
    }])
    await Promise.all([leader.app.close(), other.app.close()])
  })

  t.test('nobody leads for ten seconds: a warning, and again when somebody does', async (t) => {
    const first = await appWith(t, store, things)
    await follows(first.app)
    await first.app.close()
    const { app, lines } = await appWith(t, store, things, { follow: false, measureInterval: 50 })
    await until('it is said', () => lines.some(({ msg }) => msg.startsWith('nobody has led')), 20_000)
    t.equal(app.changeStream.stats()[0]?.isLeaderless, true)
    t.equal(lines.filter(({ msg }) => msg.startsWith('nobody has led')).length, 1, 'once')
    const second = await appWith(t, store, things)
    await until('it is over', () => app.changeStream.stats()[0]?.isLeaderless === false)
    await Promise.all([app.close(), second.app.close()])
  })
})
