import Fastify, { type FastifyInstance } from 'fastify'
import type pg from 'pg'
import type { Test } from 'tap'
import outbox, {
  outboxSql,
  postgresStore,
  type Apply,
  type NewEvent,
  type OutboxEvent,
  type OutboxOptions,
  type OutboxStore,
  type TopicOptions
} from '../src/index.ts'
import { freshPostgres } from '../../../test/fresh.ts'
import { until } from '../../../test/until.ts'

export type Given = Partial<OutboxOptions> & { topics?: Record<string, Apply | [Apply, TopicOptions]> }
interface Line {
  level: number
  msg: string
  outbox?: Record<string, unknown>
}

/**
 * A database of this test's own, its outbox empty before each sub-test; after each no connection may be left in use.
 */
export async function onPostgres (t: Test): Promise<{ pool: pg.Pool; url: string; store: OutboxStore }> {
  const { pool, url } = await freshPostgres(t)
  t.beforeEach(async () => {
    await pool.query(`DROP TABLE IF EXISTS outbox; ${outboxSql('postgres')}`)
  })
  t.afterEach(async () => {
    await until(
      'every connection is back in the pool',
      () => pool.totalCount === pool.idleCount && pool.waitingCount === 0
    )
  })
  return { pool, url, store: postgresStore(pool) }
}

/** A bare app with the plugin, its handlers and its log. */
export async function appWith (
  t: Test,
  store: OutboxStore,
  { topics = {}, ...options }: Given = {}
): Promise<{ app: FastifyInstance; lines: Line[] }> {
  const lines: Line[] = []
  const app = Fastify({
    logger: {
      level: 'info',
      stream: {
        write: (line: string) => {
          lines.push(JSON.parse(line) as Line)
        }
      }
    }
  })
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
export async function publish (app: FastifyInstance, pool: pg.Pool, events: NewEvent[]): Promise<string[]> {
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

/** An event that nothing has written yet. */
export function event (key: number | string, payload: unknown = { n: key }, topic = 'things'): NewEvent {
  return { topic, key: String(key), payload }
}

/** Events with the keys 0, 1, 2 and so on. */
export function many (count: number, topic?: string): NewEvent[] {
  return Array.from({ length: count }, (_, n) => event(n, { n }, topic))
}

/** Counts the events that are not applied yet. */
export async function rowsLeft (pool: pg.Pool): Promise<number> {
  return Number((await pool.query('SELECT count(*) FROM outbox')).rows[0].count)
}

/** The row of an event, as the table has it. */
export async function readRow (pool: pg.Pool, id: string | undefined) {
  return (await pool.query('SELECT * FROM outbox WHERE id = $1', [id])).rows[0]
}

/** Lets every event be tried at once, however often it has failed. */
export async function makeDue (pool: pg.Pool): Promise<void> {
  await pool.query('UPDATE outbox SET available_at = now()')
}

/** A handler that remembers keys, and refuses those that `fault` has an error for. */
export function collector (
  fault: (event: OutboxEvent) => Error | undefined = () => undefined
): { keys: string[]; apply: Apply } {
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
