// Events that cannot be applied, and targets that are away.
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { until } from '../../../test/until.ts'
import { appWith, collector, event, makeDue, many, onPostgres, publish, readRow, rowsLeft } from './app.ts'

t.test('PostgreSQL', async (t) => {
  const { pool, store } = await onPostgres(t)

  t.test('F37 a poison event is parked with the reason and blocks nobody; it can be replayed or discarded', async (t) => {
    let isCured = false
    const { keys, apply } = collector(({ key }) =>
      key === '3' && !isCured ? new RangeError('three is \0 too many') : undefined
    )
    const { app, lines } = await appWith(t, store, {
      topics: { things: [apply, { maxAttempts: 3 }] },
      measureInterval: 20
    })
    const ids = await publish(app, pool, many(10))
    const poison = String(ids[3])
    app.outbox.wake()
    await until('the other nine are applied', () => keys.length === 9)
    for (let attempts = 1; attempts < 3; attempts++) {
      await until(`attempt ${attempts}`, async () => (await readRow(pool, poison)).attempts >= attempts)
      const { available_at: due, created_at: made } = await readRow(pool, poison)
      t.ok(due > made, 'the next try comes later')
      await makeDue(pool)
    }
    await until('parked', async () => (await readRow(pool, poison)).parked_at !== null)
    t.match(await app.outbox.store.parked(), [{
      id: poison,
      key: '3',
      attempts: 3,
      payload: { n: 3 },
      lastError: 'RangeError: three is  too many'
    }])
    await until('the gauge shows it', () => app.outbox.stats()[0]?.parked === 1)
    t.match(app.outbox.stats(), [{ topic: 'things', applied: 9, failed: 3, waiting: 0, oldestMs: 0 }])
    t.match(lines.filter(({ level }) => level === 50), [{
      msg: /parked/,
      outbox: { id: poison, key: '3', attempts: 3, error: 'RangeError' }
    }])
    t.notMatch(JSON.stringify(lines), 'too many', 'the text of the error stays in the table')
    t.equal(await app.outbox.applied(poison, 60), false, 'parked is not applied')

    isCured = true
    t.same(await app.outbox.store.replay('all'), [poison])
    app.outbox.wake()
    t.equal(await app.outbox.applied(poison, 5000), true)
    t.same(keys.sort(), ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9'])

    isCured = false
    const [again] = await publish(app, pool, [event('3')])
    await pool.query('UPDATE outbox SET parked_at = now()')
    t.same(await app.outbox.store.replay(['1', '2']), [], 'only what was asked for')
    t.same(await app.outbox.store.discard([String(again)]), [again])
    t.equal(await rowsLeft(pool), 0)
    await app.close()
  })

  t.test('a throw that blames no event is traced to the one that causes it', async (t) => {
    const keys: string[] = []
    const { app } = await appWith(t, store, {
      topics: {
        things: async (events) => {
          if (events.some(({ key }) => key === '2')) throw new Error('refused')
          keys.push(...events.map(({ key }) => key))
        }
      }
    })
    const ids = await publish(app, pool, many(5))
    app.outbox.wake()
    await until('four are applied', () => keys.length === 4)
    await until('one is marked', async () => (await readRow(pool, ids[2]))?.attempts === 1)
    t.equal((await readRow(pool, ids[2])).last_error, 'Error: refused')
    t.equal(await rowsLeft(pool), 1)
    await app.close()
  })

  t.test('a failure that says so is parked at once', async (t) => {
    const { app } = await appWith(t, store, {
      topics: { things: async (events) => events.map(({ id }) => ({ id, error: 'never', park: true })) }
    })
    const [id] = await publish(app, pool, [event('a')])
    app.outbox.wake()
    await until('parked', async () => (await readRow(pool, id)).parked_at !== null)
    t.match(await readRow(pool, id), { attempts: 1, last_error: 'never' })
    await app.close()
  })

  t.test('while the target is away events wait, uncounted; other topics flow; afterwards all is applied', async (t) => {
    let isAway = true
    const { keys, apply } = collector()
    const other = collector()
    const down = Object.assign(new Error('connect ECONNREFUSED 10.1.2.3:1'), { code: 'ECONNREFUSED' })
    const { app, lines } = await appWith(t, store, {
      topics: {
        things: async (events, context) => {
          if (isAway) throw down
          return await apply(events, context)
        },
        others: other.apply
      }
    })
    const ids = await publish(app, pool, [...many(3), event('o', {}, 'others')])
    app.outbox.wake()
    await until('it backs off', () => app.outbox.stats()[0]?.state === 'backing off')
    await until('the other topic is applied', () => other.keys.length === 1)
    await sleep(300)
    t.match(app.outbox.stats()[0], { error: 'Error ECONNREFUSED', applied: 0, failed: 0 })
    t.match(await readRow(pool, ids[0]), { attempts: 0, last_error: null })
    isAway = false
    t.equal(await app.outbox.applied(String(ids[2]), 8000), true)
    t.same(keys, ['0', '1', '2'])
    const told = lines.filter(({ level, outbox }) => level >= 30 && outbox?.topic === 'things').map(({ msg }) => msg)
    t.same(
      told,
      ['outbox events wait: a database is away or refuses', 'outbox events flow again'],
      'said once, not at every try'
    )
    t.notMatch(JSON.stringify(lines), '10.1.2.3')
    await app.close()
  })

  t.test('failures that mean "away" count for no event either', async (t) => {
    let tries = 0
    const { app } = await appWith(t, store, {
      topics: {
        things: async (events) =>
          tries++ < 2
            ? events.map(({ id }) => ({
              id,
              error: new Error('x', { cause: Object.assign(new Error('gone'), { code: 'EPIPE' }) })
            }))
            : []
      }
    })
    const [id] = await publish(app, pool, [event('a')])
    app.outbox.wake()
    t.equal(await app.outbox.applied(String(id), 5000), true)
    t.match(app.outbox.stats()[0], { failed: 0, applied: 1 })
    await app.close()
  })

  t.test('an apply that hangs is given up; only its event pays', async (t) => {
    const { keys, apply } = collector()
    let wasAborted = false
    const { app } = await appWith(t, store, {
      applyTimeout: 100,
      topics: {
        things: async (events, { signal }) => {
          if (!events.some(({ key }) => key === '1')) return await apply(events, { signal })
          signal.addEventListener('abort', () => {
            wasAborted = true
          })
          await new Promise(() => {})
        }
      }
    })
    const ids = await publish(app, pool, many(4))
    app.outbox.wake()
    await until('three are applied', () => keys.length === 3)
    await until('one is marked', async () => (await readRow(pool, ids[1]))?.attempts >= 1)
    t.match(await readRow(pool, ids[1]), { last_error: /apply took longer than 100 ms/ })
    t.ok(wasAborted)
    await until('the others are gone', async () => await rowsLeft(pool) === 1)
    await app.close()
  })
})
