// Whatever the lists of the service declare has an index.
import { sql } from 'drizzle-orm'
import type { Pool } from 'pg'
import t from 'tap'
import { getDialect, type Database } from '../../drizzle/index.ts'
import { createOrderRepository } from '../../plugins/repositories/orders.ts'
import { createUserRepository } from '../../plugins/repositories/users.ts'
import { orderList } from '../../schemas/orders.ts'
import type { List } from '../../schemas/list.ts'
import { userList } from '../../schemas/users.ts'
import { handles, postgresHandle, type Handle } from './handles.ts'

const STATUSES = ['pending', 'paid', 'shipped'] as const
const TOTALS = ['0.05', '9.00', '10.00', '9.99', '100.00', '99999999999999.99', '100000000000000.00']
// Ordered by their characters, the locale of a server or of SQLite would have others: case, accents, beyond 16 bits.
const NAMES = ['b', 'B', 'a', 'Ä', 'ab', 'a b', '\u{1f600}', '\uffef', 'z']

const sorts = ({ sort }: List): string[] => Object.keys(sort).flatMap((name) => [name, `-${name}`])

/** Users and orders, many of which share what they are sorted by. */
async function fill (db: Database, count: number): Promise<void> {
  const { users, orders } = getDialect(db).tables
  const at = (n: number): Date => new Date(Date.UTC(2025, 0, 1) + (n * 7 % 13) * 1000)
  const people = Array.from({ length: count }, (_, n) => ({
    email: `${n}@example.com`,
    name: `${NAMES[n * 5 % NAMES.length] ?? ''}${n % 4 === 0 ? '' : n % 3}`
  }))
  const ids = await db.insert(users).values(people).returning({ id: users.id })
  await db.insert(orders).values(Array.from({ length: count }, (_, n) => ({
    user_id: ids[n % 5]?.id ?? 0,
    status: STATUSES[n % 3] ?? 'paid',
    total: TOTALS[n * 3 % TOTALS.length] ?? '1.00',
    created_at: at(n)
  })))
}

type Read = (
  request: { limit: number; after?: string; sort?: string }
) => Promise<{ next: string | undefined }>

const INDEXES: Record<string, string> = {
  created_at: 'orders_created_at_idx',
  total: 'orders_total_idx',
  status: 'orders_status_created_at_idx',
  user_id: 'orders_user_id_created_at_idx',
  id: 'users_pkey',
  name: 'users_name_idx',
  email: 'users_email_key'
}
const VALUES: Record<string, unknown> = { status: 'paid', user_id: 3, email: '7@example.com' }

/** The plan of the statement that was sent last. */
async function explain ({ kind, db, sent }: Handle, pool: Pool): Promise<string> {
  const { text, values } = sent.at(-1) ?? { text: '', values: [] }
  if (kind === 'postgres') {
    const { rows } = await pool.query<{ 'QUERY PLAN': string }>(`explain ${text}`, values)
    return rows.map((row) => row['QUERY PLAN']).join('\n')
  }
  const { $client } = db as unknown as {
    $client: { query: (config: object, values: unknown[]) => Promise<{ rows: Array<{ detail: string }> }> }
  }
  const { rows } = await $client.query({ text: `explain query plan ${text}` }, values)
  return rows.map(({ detail }) => detail).join('\n')
}

t.test('whatever is declared is read from an index, at the place of the cursor', async (t) => {
  const postgres = await postgresHandle(t)
  const [, sqlite] = await handles(t)
  for (const handle of [postgres, ...(sqlite === undefined ? [] : [sqlite])]) {
    const { db, kind } = handle
    await fill(db, 1000)
    if (kind === 'postgres') await postgres.pool.query('vacuum analyze users, orders')
    else await db.execute(sql`analyze`)
    const [orders, users] = [createOrderRepository(db), createUserRepository(db)]
    for (const [list, read] of [[orderList, orders.list], [userList, users.list]] as Array<[List, Read]>) {
      for (const sort of sorts(list)) {
        const column = sort.replace('-', '')
        const own = column === list.order.column
        const filters = Object.keys(list.filters).filter((name) => own || list.filters[name]?.isUnique === true)
        for (const filter of [undefined, ...filters]) {
          const given = filter === undefined ? {} : { [filter]: VALUES[filter] }
          const { next } = await read({ limit: 2, sort, ...given })
          for (const after of next === undefined ? [{}] : [{}, { after: next }]) {
            await read({ limit: 10, sort, ...given, ...after })
            const plan = await explain(handle, postgres.pool)
            const name = `${kind}: ${sort} of ${filter ?? 'all'}${'after' in after ? ', after a cursor' : ''}`
            t.match(plan, expected(kind, INDEXES[filter ?? column] ?? ''), name)
            if (kind === 'postgres' && 'after' in after) t.match(plan, /Index Cond: .*(ROW\(|id [<>])/, name)
          }
        }
      }
    }
  }
})

function expected (kind: string, index: string): RegExp {
  if (kind === 'postgres') return new RegExp(`Index (Only )?Scan( Backward)? using ${index} `)
  return index === 'users_pkey'
    ? /(SCAN|SEARCH) users( USING INTEGER PRIMARY KEY|$)/m
    : new RegExp(`USING INDEX ${index}`)
}
