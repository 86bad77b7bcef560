import { outboxSql, postgresStore, type OutboxStore } from 'fastify-outbox'
import pg from 'pg'
import type { Servers } from './databases.ts'
import { growthTable, type Grown } from './report.ts'
import { spread } from './statistics.ts'

const TOPIC = 'things'
const EVENTS_PER_KEY = 10
const BATCH = 50
const ROUNDS = 7
const TIMES = 20

type Work = (store: OutboxStore) => Promise<unknown>

/** What a relay asks for again and again, however much waits. Nothing is settled, so that as much waits afterwards. */
const works: Record<string, Work> = {
  'claim 50 events': (store) => claim(store, { ordered: false }),
  'claim 50 events from both ends': (store) => claim(store, { ordered: false, bothEnds: true }),
  'claim the first event of 50 keys': (store) => claim(store, { ordered: true }),
  'measure the backlog': (store) => store.measure()
}

/**
 * Two outboxes of one database, one with many times the events of the other, ten of a key, measured in turns.
 * @param amounts how many events wait in each
 * @returns a table of Markdown
 */
export async function outboxGrowth ({ make }: Servers, amounts: [few: number, many: number]): Promise<string> {
  const { DATABASE_URL } = await make('outbox_growth')
  const pool = new pg.Pool({ connectionString: DATABASE_URL, max: 1 })
  try {
    const stores: OutboxStore[] = []
    for (const amount of amounts) stores.push(await fillOutbox(pool, amount))
    const rows: Grown[] = []
    for (const [name, work] of Object.entries(works)) rows.push(await compare(name, work, stores))
    return growthTable(`outbox, ${EVENTS_PER_KEY} events a key`, amounts, 'events', rows, 2)
  } finally {
    await pool.end()
  }
}

async function fillOutbox (pool: pg.Pool, amount: number): Promise<OutboxStore> {
  const table = `outbox_${amount}`
  await pool.query(outboxSql('postgres', table))
  await pool.query(
    `insert into ${table} (topic, key, payload)
     select $1, (i / ${EVENTS_PER_KEY})::text, '{"name":"thing"}' from generate_series(0, $2::integer - 1) as i`,
    [TOPIC, amount]
  )
  await pool.query(`vacuum analyze ${table}`)
  return postgresStore(pool, { table })
}

async function claim (store: OutboxStore, how: { ordered: boolean; bothEnds?: boolean }): Promise<void> {
  const claimed = await store.work(
    { topic: TOPIC, limit: BATCH, timeout: 60_000, ...how },
    () => Promise.resolve({ done: [], failed: [] })
  )
  if (claimed !== BATCH) throw new Error(`${claimed} events were claimed instead of ${BATCH}`)
}

async function compare (name: string, work: Work, stores: OutboxStore[]): Promise<Grown> {
  const times: number[][] = stores.map(() => [])
  for (let round = 0; round <= ROUNDS; round++) {
    for (const [at, store] of stores.entries()) {
      const taken = await medianTime(() => work(store))
      // The first round makes the plans and reads the pages.
      if (round > 0) times[at]?.push(taken)
    }
  }
  const [few = [], many = []] = times
  return { name, few, many }
}

async function medianTime (work: () => Promise<unknown>): Promise<number> {
  const taken: number[] = []
  for (let count = 0; count < TIMES; count++) {
    const began = performance.now()
    await work()
    taken.push(performance.now() - began)
  }
  return spread(taken).median
}
