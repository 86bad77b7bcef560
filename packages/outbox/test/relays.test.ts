// One or several processes that apply events: order, takeover, closing, and what they tell.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import type { Apply } from '../src/index.ts'
import { until } from '../../../test/until.ts'
import { appWith, collector, event, makeDue, many, onPostgres, publish, readRow, rowsLeft, type Given } from './app.ts'

/** Starts holder.ts and waits until it holds the event with that key. */
async function startHolder (t: Test, url: string, topic: string): Promise<ReturnType<typeof spawn>> {
  const child = spawn(process.execPath, [
    '--import',
    'tsx',
    path.join(import.meta.dirname, 'holder.ts'),
    url,
    topic
  ], { stdio: ['ignore', 'pipe', 'inherit'] })
  t.teardown(() => child.kill('SIGKILL'))
  await once(child.stdout, 'data')
  return child
}

t.test('PostgreSQL', async (t) => {
  const { pool, url, store } = await onPostgres(t)

  t.test('several relays share the work, nothing is applied twice', async (t) => {
    const counts = [0, 0]
    const seen: string[] = []
    const work = (at: number): Apply => async (events) => {
      counts[at] = (counts[at] ?? 0) + events.length
      seen.push(...events.map(({ key }) => key))
      await sleep(2)
    }
    const one = await appWith(t, store, { batchSize: 10, topics: { things: work(0) } })
    const two = await appWith(t, store, { batchSize: 10, topics: { things: work(1) } })
    await publish(one.app, pool, many(400))
    await until('all are applied', async () => await rowsLeft(pool) === 0)
    t.equal(seen.length, 400)
    t.equal(new Set(seen).size, 400)
    t.ok(counts[0] && counts[1], `both worked: ${counts.join(' and ')}`)
    await Promise.all([one.app.close(), two.app.close()])
  })

  t.test('a process killed while it holds an event loses nothing: another takes over', async (t) => {
    const { keys, apply } = collector()
    const writer = await appWith(t, store, { relay: false, topics: { things: apply } })
    const [id] = await publish(writer.app, pool, [event('held')])
    const holder = await startHolder(t, url, 'things')
    const { app } = await appWith(t, store, { topics: { things: apply } })
    app.outbox.wake()
    const [free] = await publish(app, pool, [event('free')])
    app.outbox.wake()
    t.equal(await app.outbox.applied(String(free), 5000), true, 'others flow past what it holds')
    t.equal(await app.outbox.applied(String(id), 300), false, 'held by the other process')
    t.same(keys, ['free'])
    holder.kill('SIGKILL')
    t.equal(await app.outbox.applied(String(id), 5000), true)
    t.same(keys, ['free', 'held'])
    await Promise.all([writer.app.close(), app.close()])
  })

  t.test('a database session killed while events are applied: they are applied again, the process lives', async (t) => {
    const seen: string[] = []
    const { app, lines } = await appWith(t, store, {
      topics: {
        things: async (events) => {
          seen.push(...events.map(({ key }) => key))
          if (seen.length > 1) return
          const { rows } = await pool.query(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND state = 'idle in transaction'"
          )
          t.equal(rows.length, 1)
        }
      }
    })
    const [id] = await publish(app, pool, [event('a')])
    app.outbox.wake()
    t.equal(await app.outbox.applied(String(id), 5000), true)
    t.same(seen, ['a', 'a'])
    t.match(lines.find(({ level }) => level === 40), { msg: /away/ })
    await app.close()
  })

  t.test('ordered: the events of a key strictly one after the other, failures and several relays included', async (t) => {
    const seen = new Map<string, number[]>()
    const apply: Apply = async (events) => {
      t.equal(new Set(events.map(({ key }) => key)).size, events.length, 'one event per key at a time')
      return events.flatMap(({ id, key, payload, attempts }) => {
        const { n } = payload as { n: number }
        if (n % 7 === 3 && attempts === 0) return [{ id, error: new Error('not yet') }]
        seen.set(key, [...seen.get(key) ?? [], n])
        return []
      })
    }
    const topics: Given['topics'] = { things: [apply, { ordered: true }] }
    const apps = [await appWith(t, store, { topics }), await appWith(t, store, { topics })]
    await publish(apps[0]!.app, pool, Array.from({ length: 60 }, (_, n) => event(`key ${n % 4}`, { n })))
    await until('all are applied', async () => {
      await makeDue(pool)
      return await rowsLeft(pool) === 0
    })
    t.equal(seen.size, 4)
    for (const [key, numbers] of seen) t.same(numbers, [...numbers].sort((a, b) => a - b), `${key} in order`)
    await Promise.all(apps.map(({ app }) => app.close()))
  })

  t.test('bothEnds: what is new is served before an old backlog has gone', async (t) => {
    const { keys, apply } = collector()
    const topics: Given['topics'] = { things: [apply, { bothEnds: true, batchSize: 10 }] }
    const writer = await appWith(t, store, { relay: false, topics })
    await publish(writer.app, pool, many(200))
    await publish(writer.app, pool, [event('fresh')])
    const { app } = await appWith(t, store, { topics })
    await until('all are applied', async () => await rowsLeft(pool) === 0)
    t.ok(keys.indexOf('fresh') < 10, `it came as number ${keys.indexOf('fresh')}`)
    t.equal(keys.indexOf('0'), 0, 'the oldest is served too')
    t.equal(new Set(keys).size, 201)
    t.equal(keys.length, 201, 'each once')
    await Promise.all([writer.app.close(), app.close()])
    await t.rejects(appWith(t, store, { topics: { things: [apply, { bothEnds: true, ordered: true }] } }), {
      code: 'OUTBOX_USAGE'
    })
  })

  t.test('ordered: a key that fails with a long backlog holds up nobody else', async (t) => {
    const { keys, apply } = collector(({ key }) => key.startsWith('bad') ? new Error('refused') : undefined)
    const topics: Given['topics'] = { things: [apply, { ordered: true, batchSize: 5 }] }
    const writer = await appWith(t, store, { relay: false, topics })
    await publish(writer.app, pool, Array.from({ length: 1200 }, (_, n) => event('bad one', { n })))
    await publish(writer.app, pool, Array.from({ length: 7 }, (_, n) => event(`bad ${n}`, { n })))
    await publish(writer.app, pool, many(30))
    await publish(writer.app, pool, [event('\u{1F600}'), event('Z'), event('_'), event('äh')])
    const { app } = await appWith(t, store, { topics })
    await until('all others are applied', () => keys.length === 34)
    await until('their rows are gone', async () => await rowsLeft(pool) === 1207)
    t.ok((await pool.query('SELECT max(attempts) AS most FROM outbox')).rows[0].most <= 3)
    await publish(writer.app, pool, [event('a new one')])
    await until('it too', () => keys.includes('a new one'))
    await Promise.all([writer.app.close(), app.close()])
    await pool.query('DELETE FROM outbox')
  })

  t.test('applied: false when time is up, true whichever process applied it, never an error', async (t) => {
    const { app } = await appWith(t, store, { relay: false, topics: { things: async () => {} } })
    const [id] = await publish(app, pool, [event('a')])
    t.equal(await app.outbox.applied(String(id), 100), false, 'nobody applies it')
    const waiting = [app.outbox.applied(String(id), 5000), app.outbox.applied(String(id), 5000)]
    const other = await appWith(t, store, { topics: { things: async () => {} } })
    t.same(await Promise.all(waiting), [true, true], 'applied elsewhere')
    t.equal(await app.outbox.applied(String(id), 1000), true, 'applied long ago')
    await pool.query('ALTER TABLE outbox RENAME TO away')
    t.equal(await app.outbox.applied(String(id), 100), false, 'the table cannot be asked')
    await pool.query('ALTER TABLE away RENAME TO outbox')
    await Promise.all([app.close(), other.app.close()])
  })

  t.test('close finishes the running batch', async (t) => {
    let isRunning = false
    let isApplied = false
    const { app } = await appWith(t, store, {
      topics: {
        things: async () => {
          isRunning = true
          await sleep(150)
          isApplied = true
        }
      }
    })
    await publish(app, pool, many(3))
    app.outbox.wake()
    await until('it runs', () => isRunning)
    await app.close()
    t.ok(isApplied)
    t.equal(await rowsLeft(pool), 0)
    t.match(app.outbox.stats()[0], { state: 'stopped', applied: 3 })
  })

  t.test('close does not wait for a batch that hangs; its events stay for others', async (t) => {
    let isRunning = false
    const { app } = await appWith(t, store, {
      stopTimeout: 100,
      topics: {
        things: () => {
          isRunning = true
          return new Promise(() => {})
        }
      }
    })
    const [id] = await publish(app, pool, [event('a')])
    app.outbox.wake()
    await until('it hangs', () => isRunning)
    await app.close()
    t.match(await readRow(pool, id), { attempts: 0, parked_at: null })
  })

  t.test('stats: backlog, age and latency', async (t) => {
    const { app } = await appWith(t, store, { relay: false, measureInterval: 20, topics: { things: async () => {} } })
    t.match(app.outbox.stats(), [{ topic: 'things', state: 'stopped', waiting: 0, parked: 0, oldestMs: 0, applied: 0 }])
    await publish(app, pool, many(5))
    await until('measured', () => app.outbox.stats()[0]?.waiting === 5)
    const age = app.outbox.stats()[0]?.oldestMs ?? 0
    await sleep(30)
    await until('the age goes on', () => (app.outbox.stats()[0]?.oldestMs ?? 0) > age)
    const other = await appWith(t, store, { topics: { things: async () => {} } })
    await until('applied', async () => await rowsLeft(pool) === 0)
    t.ok((other.app.outbox.stats()[0]?.latencyMs ?? 0) >= 30)
    await Promise.all([app.close(), other.app.close()])
  })
})
