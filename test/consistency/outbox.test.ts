import { spawn } from 'node:child_process'
import { once } from 'node:events'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import Fastify, { type FastifyInstance } from 'fastify'
import { MongoClient } from 'mongodb'
import type pg from 'pg'
import t, { type Test } from 'tap'
import outbox, {
  isTransient, outboxSql, postgresStore, projectToMongo, sqliteStore,
  type Apply, type NewEvent, type OutboxEvent, type OutboxOptions, type OutboxStore, type OutboxTransaction, type Projected, type TopicOptions
} from '../../plugins/outbox/index.ts'
import { freshMongo, freshPostgres, freshSqlite, until } from '../stores.ts'

type Given = Partial<OutboxOptions> & { topics?: Record<string, Apply | [Apply, TopicOptions]> }
interface Line { level: number, msg: string, outbox?: Record<string, unknown> }

/** A bare app with the plugin, its handlers and its log. */
async function appWith (t: Test, store: OutboxStore, { topics = {}, ...options }: Given = {}): Promise<{ app: FastifyInstance, lines: Line[] }> {
  const lines: Line[] = []
  const app = Fastify({ logger: { level: 'info', stream: { write: (line: string) => { lines.push(JSON.parse(line) as Line) } } } })
  await app.register(outbox, { store, pollInterval: 50, ...options })
  for (const [topic, handler] of Object.entries(topics)) {
    if (typeof handler === 'function') app.outbox.on(topic, handler)
    else app.outbox.on(topic, ...handler)
  }
  await app.ready()
  t.teardown(() => app.close())
  return { app, lines }
}

/** Writes events in one transaction and commits it; resolves to their ids. */
async function publish (app: FastifyInstance, pool: pg.Pool, events: NewEvent[]): Promise<string[]> {
  const client = await pool.connect()
  try {
    await client.query('BEGIN')
    const ids: string[] = []
    for (const event of events) ids.push(await app.outbox.enqueue(client, event))
    await client.query('COMMIT')
    return ids
  } finally {
    client.release()
  }
}

/** Starts test/outbox-holder.ts and waits until it holds the event with that key. */
async function startHolder (t: Test, url: string, topic: string): Promise<ReturnType<typeof spawn>> {
  const child = spawn(process.execPath, ['--import', 'tsx', path.join(import.meta.dirname, 'outbox-holder.ts'), url, topic], { stdio: ['ignore', 'pipe', 'inherit'] })
  t.teardown(() => child.kill('SIGKILL'))
  await once(child.stdout, 'data')
  return child
}

const event = (key: number | string, payload: unknown = { n: key }, topic = 'things'): NewEvent => ({ topic, key: String(key), payload })
const many = (count: number, topic?: string): NewEvent[] => Array.from({ length: count }, (_, n) => event(n, { n }, topic))
const rowsLeft = async (pool: pg.Pool) => Number((await pool.query('SELECT count(*) FROM outbox')).rows[0].count)
const rowOf = async (pool: pg.Pool, id: string | undefined) => (await pool.query('SELECT * FROM outbox WHERE id = $1', [id])).rows[0]
const makeDue = (pool: pg.Pool) => pool.query('UPDATE outbox SET available_at = now()')
/** A handler that remembers keys, and refuses those that `fault` has an error for. */
function collector (fault: (event: OutboxEvent) => Error | undefined = () => undefined): { keys: string[], apply: Apply } {
  const keys: string[] = []
  return {
    keys,
    apply: async (events) => {
      const failures = events.flatMap((each) => fault(each) === undefined ? [] : [{ id: each.id, error: fault(each) }])
      keys.push(...events.filter(({ id }) => !failures.some((failure) => failure.id === id)).map(({ key }) => key))
      return failures
    }
  }
}

t.test('PostgreSQL', async (t) => {
  const { pool, url } = await freshPostgres(t)
  const store = postgresStore(pool)
  t.beforeEach(async () => { await pool.query(`DROP TABLE IF EXISTS outbox; ${outboxSql('postgres')}`) })
  t.afterEach(async () => { await until('every connection is back in the pool', () => pool.totalCount === pool.idleCount && pool.waitingCount === 0) })

  t.test('an event is applied after the commit, with all it was given, and its row goes', async (t) => {
    const seen: OutboxEvent[] = []
    const { app } = await appWith(t, store, { pollInterval: 60_000, topics: { things: async (events) => { seen.push(...events) } } })
    const client = await pool.connect()
    await client.query('BEGIN')
    const id = await app.outbox.enqueue(client, event('a', { text: 'ä"\\', list: [1, null] }))
    app.outbox.kick()
    await sleep(30)
    t.same(seen, [], 'nothing before the commit')
    await client.query('COMMIT')
    client.release()
    app.outbox.kick('things')
    t.equal(await app.outbox.applied(id, 5000), true)
    t.match(seen, [{ id, topic: 'things', key: 'a', payload: { text: 'ä"\\', list: [1, null] }, attempts: 0 }])
    t.type(seen[0]?.createdAt, Date)
    t.equal(await rowsLeft(pool), 0)
    await app.close()
  })

  t.test('an event of a rolled back transaction never was', async (t) => {
    const { keys, apply } = collector()
    const { app } = await appWith(t, store, { topics: { things: apply } })
    const client = await pool.connect()
    await client.query('BEGIN')
    await app.outbox.enqueue(client, event('lost'))
    await client.query('ROLLBACK')
    client.release()
    const [id] = await publish(app, pool, [event('kept')])
    t.equal(await app.outbox.applied(String(id), 5000), true)
    t.same(keys, ['kept'])
    await app.close()
  })

  t.test('enqueue refuses everything that is not an open transaction', async (t) => {
    const { app } = await appWith(t, store)
    const client = await pool.connect()
    const refused = { code: 'OUTBOX_NO_TRANSACTION', statusCode: 500, message: /outside a transaction/ }
    await t.rejects(app.outbox.enqueue(client, event('a')), refused, 'a client outside BEGIN')
    await t.rejects(app.outbox.enqueue(pool, event('a')), refused, 'a pool')
    await t.rejects(app.outbox.enqueue(null as unknown as OutboxTransaction, event('a')), refused, 'nothing at all')
    for (const state of ['committing', 'committed', 'rolled back', 'failed', 'lost', 'unknown']) {
      await t.rejects(app.outbox.enqueue({ query: async () => ({ rows: [] }), state }, event('a')), refused, `state ${state}`)
    }
    await client.query('BEGIN')
    await client.query('SELECT 1/0').catch(() => {})
    await until('pg knows that it is aborted', () => client.getTransactionStatus() === 'E')
    await t.rejects(app.outbox.enqueue(client, event('a')), refused, 'an aborted transaction')
    await client.query('ROLLBACK')
    t.equal(await app.outbox.enqueue({ query: async () => ({ rows: [{ id: '7' }] }), state: 'idle' }, event('a')), '7', 'idle: the first statement begins it')
    client.release()
    t.equal(await rowsLeft(pool), 0)
    await app.close()
  })

  t.test('enqueue refuses events nobody could apply', async (t) => {
    const { app } = await appWith(t, store)
    const tx = { query: async () => ({ rows: [{ id: '1' }] }), state: 'open' }
    const usage = { code: 'OUTBOX_USAGE', message: /needs a topic and a key/ }
    await t.rejects(app.outbox.enqueue(tx, { topic: '', key: 'a', payload: 1 }), usage)
    await t.rejects(app.outbox.enqueue(tx, { topic: 'things', key: '', payload: 1 }), usage)
    await t.rejects(app.outbox.enqueue(tx, { topic: 'things', key: 5 as unknown as string, payload: 1 }), usage)
    await t.rejects(app.outbox.enqueue(tx, event('a', () => {})), usage)
    await t.resolves(app.outbox.enqueue(tx, event('a', null)), 'null is JSON')
    await app.close()
  })

  t.test('a poison event is parked with the reason and blocks nobody; it can be replayed or discarded', async (t) => {
    let isCured = false
    const { keys, apply } = collector(({ key }) => key === '3' && !isCured ? new RangeError('three is \0 too many') : undefined)
    const { app, lines } = await appWith(t, store, { topics: { things: [apply, { maxAttempts: 3 }] }, measureInterval: 20 })
    const ids = await publish(app, pool, many(10))
    const poison = String(ids[3])
    app.outbox.kick()
    await until('the other nine are applied', () => keys.length === 9)
    for (let attempts = 1; attempts < 3; attempts++) {
      await until(`attempt ${attempts}`, async () => (await rowOf(pool, poison)).attempts >= attempts)
      const { available_at: due, created_at: made } = await rowOf(pool, poison)
      t.ok(due > made, 'the next try comes later')
      await makeDue(pool)
    }
    await until('parked', async () => (await rowOf(pool, poison)).parked_at !== null)
    t.match(await app.outbox.store.parked(), [{ id: poison, key: '3', attempts: 3, payload: { n: 3 }, lastError: 'RangeError: three is  too many' }])
    await until('the gauge shows it', () => app.outbox.stats()[0]?.parked === 1)
    t.match(app.outbox.stats(), [{ topic: 'things', applied: 9, failed: 3, waiting: 0, oldestMs: 0 }])
    t.match(lines.filter(({ level }) => level === 50), [{ msg: /parked/, outbox: { id: poison, key: '3', attempts: 3, error: 'RangeError' } }])
    t.notMatch(JSON.stringify(lines), 'too many', 'the text of the error stays in the table')
    t.equal(await app.outbox.applied(poison, 60), false, 'parked is not applied')

    isCured = true
    t.same(await app.outbox.store.replay('all'), [poison])
    app.outbox.kick()
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
    app.outbox.kick()
    await until('four are applied', () => keys.length === 4)
    await until('one is marked', async () => (await rowOf(pool, ids[2]))?.attempts === 1)
    t.equal((await rowOf(pool, ids[2])).last_error, 'Error: refused')
    t.equal(await rowsLeft(pool), 1)
    await app.close()
  })

  t.test('a failure that says so is parked at once', async (t) => {
    const { app } = await appWith(t, store, { topics: { things: async (events) => events.map(({ id }) => ({ id, error: 'never', park: true })) } })
    const [id] = await publish(app, pool, [event('a')])
    app.outbox.kick()
    await until('parked', async () => (await rowOf(pool, id)).parked_at !== null)
    t.match(await rowOf(pool, id), { attempts: 1, last_error: 'never' })
    await app.close()
  })

  t.test('while the target is away events wait, uncounted; other topics flow; afterwards all is applied', async (t) => {
    let isAway = true
    const { keys, apply } = collector()
    const other = collector()
    const down = Object.assign(new Error('connect ECONNREFUSED 10.1.2.3:1'), { code: 'ECONNREFUSED' })
    const { app, lines } = await appWith(t, store, {
      topics: { things: async (events, context) => { if (isAway) throw down; return await apply(events, context) }, others: other.apply }
    })
    const ids = await publish(app, pool, [...many(3), event('o', {}, 'others')])
    app.outbox.kick()
    await until('it backs off', () => app.outbox.stats()[0]?.state === 'backing off')
    await until('the other topic is applied', () => other.keys.length === 1)
    await sleep(300)
    t.match(app.outbox.stats()[0], { error: 'Error ECONNREFUSED', applied: 0, failed: 0 })
    t.match(await rowOf(pool, ids[0]), { attempts: 0, last_error: null })
    isAway = false
    t.equal(await app.outbox.applied(String(ids[2]), 8000), true)
    t.same(keys, ['0', '1', '2'])
    const told = lines.filter(({ level, outbox }) => level >= 30 && outbox?.topic === 'things').map(({ msg }) => msg)
    t.same(told, ['outbox events wait: a database is away or refuses', 'outbox events flow again'], 'said once, not at every try')
    t.notMatch(JSON.stringify(lines), '10.1.2.3')
    await app.close()
  })

  t.test('failures that mean "away" count for no event either', async (t) => {
    let tries = 0
    const { app } = await appWith(t, store, {
      topics: { things: async (events) => tries++ < 2 ? events.map(({ id }) => ({ id, error: new Error('x', { cause: Object.assign(new Error('gone'), { code: 'EPIPE' }) }) })) : [] }
    })
    const [id] = await publish(app, pool, [event('a')])
    app.outbox.kick()
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
          signal.addEventListener('abort', () => { wasAborted = true })
          await new Promise(() => {})
        }
      }
    })
    const ids = await publish(app, pool, many(4))
    app.outbox.kick()
    await until('three are applied', () => keys.length === 3)
    await until('one is marked', async () => (await rowOf(pool, ids[1]))?.attempts >= 1)
    t.match(await rowOf(pool, ids[1]), { last_error: /apply took longer than 100 ms/ })
    t.ok(wasAborted)
    await until('the others are gone', async () => await rowsLeft(pool) === 1)
    await app.close()
  })

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
    app.outbox.kick()
    const [free] = await publish(app, pool, [event('free')])
    app.outbox.kick()
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
          const { rows } = await pool.query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND state = 'idle in transaction'")
          t.equal(rows.length, 1)
        }
      }
    })
    const [id] = await publish(app, pool, [event('a')])
    app.outbox.kick()
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
    await until('all are applied', async () => { await makeDue(pool); return await rowsLeft(pool) === 0 })
    t.equal(seen.size, 4)
    for (const [key, numbers] of seen) t.same(numbers, [...numbers].sort((a, b) => a - b), `${key} in order`)
    await Promise.all(apps.map(({ app }) => app.close()))
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
    const { app } = await appWith(t, store, { topics: { things: async () => { isRunning = true; await sleep(150); isApplied = true } } })
    await publish(app, pool, many(3))
    app.outbox.kick()
    await until('it runs', () => isRunning)
    await app.close()
    t.ok(isApplied)
    t.equal(await rowsLeft(pool), 0)
    t.match(app.outbox.stats()[0], { state: 'stopped', applied: 3 })
  })

  t.test('close does not wait for a batch that hangs; its events stay for others', async (t) => {
    let isRunning = false
    const { app } = await appWith(t, store, { stopTimeout: 100, topics: { things: () => { isRunning = true; return new Promise(() => {}) } } })
    const [id] = await publish(app, pool, [event('a')])
    app.outbox.kick()
    await until('it hangs', () => isRunning)
    await app.close()
    t.match(await rowOf(pool, id), { attempts: 0, parked_at: null })
  })

  t.test('events of topics without a handler wait, and are counted', async (t) => {
    const { keys, apply } = collector()
    const { app } = await appWith(t, store, { topics: { things: apply } })
    await publish(app, pool, [event('x', {}, 'unknown'), event('a')])
    app.outbox.kick()
    await until('the known one is applied', () => keys.length === 1)
    await until('its row is gone', async () => (await app.outbox.store.measure()).length === 1)
    t.match(await app.outbox.store.measure(), [{ topic: 'unknown', waiting: 1, parked: 0 }])
    await app.close()
  })

  t.test('a table in a schema of its own', async (t) => {
    await pool.query(`CREATE SCHEMA IF NOT EXISTS mail; DROP TABLE IF EXISTS mail.events; ${outboxSql('postgres', 'mail.events')}`)
    const { keys, apply } = collector(({ key, attempts }) => key === 'b' && attempts === 0 ? new Error('once') : undefined)
    const own = postgresStore(pool, { table: 'mail.events' })
    const { app } = await appWith(t, own, { topics: { things: apply, ordered: [apply, { ordered: true }] } })
    await publish(app, pool, [event('a'), event('b'), event('c', {}, 'ordered')])
    await until('b is tried again', async () => { await pool.query('UPDATE mail.events SET available_at = now()'); return keys.length === 3 })
    t.same(keys.sort(), ['a', 'b', 'c'])
    await app.close()
    t.throws(() => postgresStore(pool, { table: 'a; DROP TABLE b' }), { code: 'OUTBOX_USAGE', message: /is no table name/ })
    t.throws(() => outboxSql('sqlite', '1st'), { code: 'OUTBOX_USAGE' })
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

  t.test('wrong options and late handlers are refused with a sentence', async (t) => {
    const register = async (options: object) => { await Fastify().register(outbox, options as OutboxOptions) }
    await t.rejects(register({}), { code: 'OUTBOX_USAGE', message: /store is missing/ })
    await t.rejects(register({ store, batchSize: 0 }), { message: 'the option batchSize must be a whole number from 1, not 0' })
    await t.rejects(register({ store, pollInterval: '5' }), { message: /pollInterval/ })
    const { app } = await appWith(t, store, { topics: { things: async () => {} } })
    t.throws(() => { app.outbox.on('more', async () => {}) }, { code: 'OUTBOX_USAGE', message: /after the app was ready/ })
    await app.close()
    const early = Fastify()
    await early.register(outbox, { store })
    early.outbox.on('things', async () => {})
    t.throws(() => { early.outbox.on('things', async () => {}) }, { message: /already has a handler/ })
    t.throws(() => { early.outbox.on('more', async () => {}, { maxAttempts: 1.5 }) }, { message: /maxAttempts/ })
    await early.close()
  })

  t.test('MongoDB projection', async (t) => {
    const { db } = await freshMongo(t)
    interface Thing { name: string, deleted?: boolean }
    const things = db.collection<Projected<string>>('things')
    const apply = projectToMongo<string, Thing>({ collection: () => things, document: ({ payload }) => payload.deleted === true ? null : { name: payload.name } })
    const made = (id: number, key: string, payload: unknown): OutboxEvent => ({ id: String(id), topic: 'things', key, payload, attempts: 0, createdAt: new Date() })
    const signal = new AbortController().signal
    const run = async (...events: OutboxEvent[]) => await apply(events, { signal })
    const read = async () => (await things.find().sort({ _id: 1 }).toArray()).map(({ _deleted_at, ...rest }) => rest)

    t.same(await run(made(5, 'a', { name: 'five' }), made(6, 'b', { name: 'six' })), [])
    t.same(await read(), [{ _id: 'a', name: 'five', _v: 5 }, { _id: 'b', name: 'six', _v: 6 }])
    await run(made(5, 'a', { name: 'five' }))
    await run(made(4, 'a', { name: 'four' }))
    t.same((await read())[0], { _id: 'a', name: 'five', _v: 5 }, 'repeats and latecomers change nothing')
    await run(made(9, 'a', { name: '$nine' }), made(8, 'a', { name: 'eight' }))
    t.same((await read())[0], { _id: 'a', name: '$nine', _v: 9 }, 'the newest of a batch wins; a $ is just a letter')
    await run(made(12, 'b', { deleted: true }))
    await run(made(11, 'b', { name: 'zombie' }))
    t.same((await read())[1], { _id: 'b', _v: 12, _deleted: true }, 'a late older event does not bring back the dead')
    t.type((await things.findOne({ _id: 'b' }))?._deleted_at, Date)

    await db.command({ collMod: 'things', validator: { $jsonSchema: { properties: { name: { maxLength: 5 } } } } })
    const nowhere = await new MongoClient('mongodb://127.0.0.1:1', { serverSelectionTimeoutMS: 50 }).connect().catch((error: unknown) => error)
    t.ok(isTransient(nowhere), 'a server that is away')
    t.ok(isTransient(Object.assign(new Error('bulk'), { name: 'MongoBulkWriteError', errorResponse: nowhere })), 'also inside a bulk write')
    t.notOk(isTransient(Object.assign(new Error('E11000'), { name: 'MongoBulkWriteError', code: 11000, errorResponse: { code: 11000 } })))

    const failures = await run(made(20, 'c', { name: 'good' }), made(21, 'd', { name: 'too long' }), made(22, 'd', { name: 'too long again' }), made(23, 'e', { name: 'good' }))
    t.same((failures ?? []).map(({ id }) => id), ['21', '22'], 'every event about the refused document is blamed')
    t.same((await read()).map(({ _id }) => _id), ['a', 'b', 'c', 'e'])
  })
})

t.test('SQLite', async (t) => {
  const { client, transaction } = await freshSqlite(t, outboxSql('sqlite'))
  const count = async () => Number((await client.execute('SELECT count(*) AS n FROM outbox')).rows[0]?.n)
  const store = sqliteStore(transaction)

  t.test('applies, retries, parks, replays and discards as PostgreSQL does', async (t) => {
    const { keys, apply } = collector(({ key }) => key === '3' ? new Error("it's bad") : undefined)
    const { app } = await appWith(t, store, { topics: { things: [apply, { maxAttempts: 2, batchSize: 4 }] }, measureInterval: 20 })
    const ids = await transaction(async (tx) => {
      const written: string[] = []
      for (const each of many(10)) written.push(await app.outbox.enqueue(tx, each))
      return written
    })
    await t.rejects(transaction(async (tx) => { await app.outbox.enqueue(tx, event('lost')); throw new Error('rolled back') }), { message: 'rolled back' })
    app.outbox.kick()
    t.equal(await app.outbox.applied(String(ids[9]), 5000), true)
    await until('nine are applied', () => keys.length === 9)
    await until('the bad one is tried again and parked', async () => {
      await transaction(async (tx) => await tx.query("UPDATE outbox SET available_at = '2000-01-01T00:00:00.000Z'", []))
      return (await store.parked()).length === 1
    })
    t.match(await store.parked(), [{ id: ids[3], key: '3', payload: { n: 3 }, attempts: 2, lastError: "Error: it's bad" }])
    await until('measured', () => app.outbox.stats()[0]?.parked === 1)
    t.equal(await app.outbox.applied(String(ids[3]), 60), false)
    t.same(await store.replay('all'), [ids[3]])
    t.same(await store.replay([String(ids[3])]), [], 'it waits again')
    await until('parked again', async () => {
      await transaction(async (tx) => await tx.query("UPDATE outbox SET available_at = '2000-01-01T00:00:00.000Z'", []))
      return (await store.parked()).length === 1
    })
    t.same(await store.discard([String(ids[3])]), [ids[3]])
    t.equal(await count(), 0)
    await app.close()
  })

  t.test('ordered, and measured', async (t) => {
    const seen: number[] = []
    const apply: Apply = async (events) => { seen.push(...events.map(({ payload }) => (payload as { n: number }).n)) }
    const writer = await appWith(t, store, { relay: false })
    await transaction(async (tx) => { for (let n = 0; n < 9; n++) await writer.app.outbox.enqueue(tx, event('one key', { n })) })
    t.match(await store.measure(), [{ topic: 'things', waiting: 9, parked: 0 }])
    const { app } = await appWith(t, store, { topics: { things: [apply, { ordered: true }] } })
    await until('all are applied', async () => await count() === 0)
    t.same(seen, [0, 1, 2, 3, 4, 5, 6, 7, 8])
    await Promise.all([writer.app.close(), app.close()])
  })
})
