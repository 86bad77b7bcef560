// Orders, filters and cursors of lists in SQL, on the things of the tests.
import { sql } from 'drizzle-orm'
import t from 'tap'
import { getDialect } from '../../drizzle/index.ts'
import type { List } from '../../schemas/list.ts'
import { DDL, thingList, thingsOf } from '../fixture/tables.ts'
import { thingPages } from '../fixture/things.ts'
import { handles, type Handle } from './handles.ts'

const KINDS = ['plain', 'fine', 'odd'] as const
const PRICES = ['0.05', '9.00', '10.00', '9.99', '100.00', '99999999.99', '1000000.00']
// Ordered by their characters, the locale of a server or of SQLite would have others: case, accents, beyond 16 bits.
const NAMES = ['b', 'B', 'a', 'Ä', 'ab', 'a b', '\u{1f600}', '\uffef', 'z']

const sorts = ({ sort }: List): string[] => Object.keys(sort).flatMap((name) => [name, `-${name}`])

/** A database with the table of things, many of which share what they are sorted by. */
async function fill (handle: Handle, count: number): Promise<void> {
  const { kind, db } = handle
  for (const text of DDL[kind]) await db.execute(sql.raw(text))
  const things = thingsOf(getDialect(db).tables)
  await db.insert(things).values(Array.from({ length: count }, (_, n) => ({
    name: `${NAMES[n * 5 % NAMES.length] ?? ''}${n}`,
    kind: KINDS[n % 3] ?? 'odd',
    price: PRICES[n * 3 % PRICES.length] ?? '1.00',
    made_at: new Date(Date.UTC(2025, 0, 1) + (n * 7 % 13) * 1000)
  })))
}

type Item = Record<string, unknown> & { id: number }
type Read = (
  request: { limit: number; after?: string; sort?: string; kind?: string; name?: string }
) => Promise<{ items: Item[]; next: string | undefined }>

async function readAll (read: Read, sort?: string): Promise<Item[]> {
  const found: Item[] = []
  for (let after: string | undefined, isFirst = true; isFirst || after !== undefined; isFirst = false) {
    const request = { limit: 7, ...(after === undefined ? {} : { after }), ...(sort === undefined ? {} : { sort }) }
    const { items, next } = await read(request)
    found.push(...items)
    after = next
  }
  return found
}

/** The same in JavaScript: text by its code points, decimals as numbers, ids where values are the same. */
function inOrder (items: Item[], sort: string, { sort: kinds }: List): Item[] {
  const [column, direction] = sort.startsWith('-') ? [sort.slice(1), -1] : [sort, 1]
  return items.toSorted((one, other) =>
    direction * (compare(one[column], other[column], kinds[column]) || one.id - other.id)
  )
}

function compare (one: unknown, other: unknown, kind: string | undefined): number {
  if (kind === 'text') return Buffer.compare(Buffer.from(String(one)), Buffer.from(String(other)))
  return kind === 'decimal' ? Number(toCents(one) - toCents(other)) : Number(one) - Number(other)
}

const toCents = (price: unknown): bigint => BigInt(String(price).replace('.', ''))

t.test('every order visits every row once, also where values are shared', async (t) => {
  for (const handle of await handles(t)) {
    await fill(handle, 60)
    const read = thingPages.on(handle.db) as Read
    const all = (await read({ limit: 100 })).items
    t.equal(all.length, 60)
    for (const sort of sorts(thingList)) {
      const seen = await readAll(read, sort)
      t.strictSame(
        seen.map(({ id }) => id),
        inOrder(all, sort, thingList).map(({ id }) => id),
        `${handle.kind} ${sort}`
      )
    }
    t.strictSame(await readAll(read), all, 'without sort')
    const fine = await readAll((request) => read({ ...request, kind: 'fine' }), 'id')
    t.equal(fine.length, 20)
    t.ok(fine.every(({ kind }) => kind === 'fine'))
    const [some] = all
    const { items } = await read({ limit: 5, name: String(some?.['name']), sort: '-made_at' })
    t.match(items, [{ id: some?.id }], 'a unique filter goes with every order')
    await t.rejects(read({ limit: 1, sort: 'kind' }), RangeError, 'there is nothing to make it of')
    await t.rejects(read({ limit: 1, after: '1_1', sort: 'price' }), /cursor of another order/)
  }
})
