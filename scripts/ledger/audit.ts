import { setTimeout as sleep } from 'node:timers/promises'
import type { Db } from 'mongodb'
import type { Client } from 'pg'
import type { Fact, Tally } from './history.ts'

const PATIENCE_MS = 120_000

/** One thing as a store has it: how often, and the value that changes. */
interface Found {
  count: number
  value: string
}
export type Shelf = Map<string, Found>

/** Both stores, read past the service. */
export interface Stores {
  sql: Client
  mongo: Db
}

/** Waits until nothing is on the way from one store to the other; resolves to the milliseconds that took. */
export async function untilQuiet (stores: Stores, prefix: string): Promise<number> {
  const started = performance.now()
  for (;;) {
    const { rows } = await stores.sql.query('SELECT count(*)::int AS n FROM outbox')
    if (rows[0].n === 0 && sameShelves(await sqlPosts(stores, prefix), await mongoPosts(stores, prefix))) {
      return performance.now() - started
    }
    if (performance.now() - started > PATIENCE_MS) return PATIENCE_MS
    await sleep(25)
  }
}

/**
 * Counts the transactions in both stores that have not ended, once they have had time to: those that are prepared, and
 * commits that MongoDB has decided and PostgreSQL does not have. Records of what has ended are none.
 */
export async function countInDoubt ({ sql, mongo }: Stores): Promise<number> {
  for (const end = performance.now() + PATIENCE_MS;; await sleep(25)) {
    const decided = await mongo.collection<{ _id: string }>('two_phase_decisions').find({ decision: 'commit' })
      .toArray()
    const { rows: [row] } = await sql.query<{ n: number }>(
      `SELECT count(*)::int AS n FROM (SELECT gid FROM pg_prepared_xacts WHERE database = current_database()
       UNION SELECT gid FROM unnest($1::text[]) AS decided (gid) WHERE gid NOT IN (SELECT gid FROM two_phase_commits)) AS open`,
      [decided.map(({ _id }) => _id)]
    )
    if (row?.n === 0 || performance.now() > end) return row?.n ?? 0
  }
}

/** Counts the decisions that have been carried out and that nobody has removed, once there was time to. */
export async function countLeftDecisions ({ mongo }: Stores): Promise<number> {
  for (const end = performance.now() + PATIENCE_MS;; await sleep(250)) {
    const left = await mongo.collection('two_phase_decisions').countDocuments({ decision: 'commit' })
    if (left === 0 || performance.now() > end) return left
  }
}

/**
 * Compares what the clients were told with what both stores have.
 * @param prefix begins the markers of the facts
 * @param say told about each broken promise
 */
export async function audit (
  stores: Stores,
  prefix: string,
  facts: Fact[],
  tally: Tally,
  say: (line: string) => void
): Promise<void> {
  const shelves = {
    user: [await sqlUsers(stores, prefix), await mongoUsers(stores, prefix)],
    post: [await mongoPosts(stores, prefix), await sqlPosts(stores, prefix)],
    order: [await sqlOrders(stores, prefix)],
    both: [await sqlUsers(stores, prefix), await mongoPosts(stores, prefix)]
  } as const satisfies Record<Fact['kind'], Shelf[]>
  const isDead = ({ kind, deleted, made, marker }: Fact) =>
    kind === 'user' &&
    (deleted === 'acked' || ((made !== 'acked' || deleted === 'unknown') && !shelves.user[0].has(marker)))
  const dead = new Set(facts.filter(isDead).map(({ marker }) => marker))
  const found = (what: keyof Pick<Tally, 'lost' | 'half' | 'ghost' | 'double' | 'wrong'>, fact: Fact) => {
    tally[what]++
    say(`${what}: ${JSON.stringify(fact)}`)
  }
  for (const fact of facts) judge(fact, shelves[fact.kind], dead, found)
  for (const author of await findMiscounted(stores)) {
    tally.wrong++
    say(`wrong: the posts of author ${author} are not as many as are counted`)
  }
  for (const kind of ['user', 'post'] as const) {
    const known = new Set(
      facts.filter((fact) => fact.kind === kind || fact.kind === 'both').map(({ marker }) => marker)
    )
    const stored = new Set(shelves[kind].flatMap((shelf) => [...shelf.keys()]))
    for (const marker of stored) if (!known.has(marker)) found('ghost', { kind, marker, made: 'refused', values: [] })
  }
}

/** Authors whose count of posts, or its sum of lengths, is not what the table of posts has. */
async function findMiscounted ({ sql }: Stores): Promise<number[]> {
  const { rows } = await sql.query<{ author: number }>(
    `SELECT author_id::float8 AS author FROM
     (SELECT author_id, count(*) AS posts, sum(content_length) AS length FROM posts GROUP BY author_id) AS there
     FULL JOIN author_post_counts AS kept USING (author_id)
     WHERE there.posts IS DISTINCT FROM kept.post_count OR there.length IS DISTINCT FROM kept.content_length`
  )
  return rows.map(({ author }) => author)
}

function judge (
  fact: Fact,
  [truth, copy]: readonly Shelf[],
  dead: Set<string>,
  found: (what: 'lost' | 'half' | 'ghost' | 'double' | 'wrong', fact: Fact) => void
): void {
  const [there, copied] = [truth?.get(fact.marker), copy?.get(fact.marker)]
  if (copy !== undefined && (there?.count !== copied?.count || there?.value !== copied?.value)) {
    return found('half', fact)
  }
  if ((there?.count ?? 0) > 1) return found('double', fact)
  const isGone = fact.deleted === 'acked' || (fact.kind === 'post' && fact.owner !== undefined && dead.has(fact.owner))
  if (there !== undefined) {
    if (fact.made === 'refused' || isGone) found('ghost', fact)
    else if (fact.values.length > 0 && !fact.values.includes(there.value)) found('wrong', fact)
  } else if (fact.made === 'acked' && !isGone && fact.deleted !== 'unknown') found('lost', fact)
}

/** True when both hold the same, as often and with the same values. */
export function sameShelves (a: Shelf, b: Shelf): boolean {
  return a.size === b.size &&
    [...a].every(([marker, { count, value }]) => b.get(marker)?.count === count && b.get(marker)?.value === value)
}

function shelf (rows: Array<{ marker: string; value: string }>): Shelf {
  const found: Shelf = new Map()
  for (const { marker, value } of rows) found.set(marker, { value, count: (found.get(marker)?.count ?? 0) + 1 })
  return found
}

async function select ({ sql }: Stores, text: string, prefix: string): Promise<Shelf> {
  return shelf((await sql.query<{ marker: string; value: string }>(text, [`${prefix}%`])).rows)
}

/** Users, as each store has them. */
export const sqlUsers = (stores: Stores, prefix: string) =>
  select(stores, 'SELECT email AS marker, name AS value FROM users WHERE email LIKE $1', prefix)
/** Posts, as SQL has them. */
export const sqlPosts = (stores: Stores, prefix: string) =>
  select(stores, 'SELECT title AS marker, category AS value FROM posts WHERE title LIKE $1', prefix)
/** Orders, which SQL alone has. */
export const sqlOrders = (stores: Stores, prefix: string) =>
  select(
    stores,
    "SELECT product AS marker, '' AS value FROM orders JOIN order_items ON order_id = orders.id WHERE product LIKE $1",
    prefix
  )

/** Users, as MongoDB has them. */
export async function mongoUsers ({ mongo }: Stores, prefix: string): Promise<Shelf> {
  const users = await mongo.collection('users').find({ email: new RegExp(`^${prefix}`), _deleted: { $ne: true } })
    .toArray()
  return shelf(users.map(({ email, name }) => ({ marker: String(email), value: String(name) })))
}

/** Posts, as MongoDB has them. */
export async function mongoPosts ({ mongo }: Stores, prefix: string): Promise<Shelf> {
  const posts = await mongo.collection('posts').find({ title: new RegExp(`^${prefix}`) }, {
    projection: { title: 1, category: 1 }
  }).toArray()
  return shelf(posts.map(({ title, category }) => ({ marker: String(title), value: String(category) })))
}
