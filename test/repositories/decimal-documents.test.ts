// Lists in MongoDB that are sorted by a decimal, which is a text there.
import { Type } from '@sinclair/typebox'
import { ObjectId, type Document } from 'mongodb'
import t from 'tap'
import { BY_NUMBER } from '../../plugins/mongo/lists/collation.ts'
import type { Documents } from '../../plugins/mongo/json/find-raw.ts'
import { mongoPages } from '../../plugins/mongo/json/page-reader.ts'
import { documentCursor, toPageQuery } from '../../plugins/repositories/documents.ts'
import { decimal, DocumentIdSchema, TimestampSchema } from '../../schemas/common.ts'
import type { ListRequest } from '../../plugins/paging/cursor.ts'
import { defineList } from '../../schemas/list.ts'
import { freshMongo } from '../fresh.ts'
import { randomFrom } from '../random.ts'
import { withoutCommands } from './mongo-handles.ts'

const Thing = Type.Object({
  id: DocumentIdSchema,
  name: Type.String({ maxLength: 50 }),
  price: decimal(18, 2),
  created_at: TimestampSchema
})
const list = defineList(Thing, {
  ids: 'document',
  order: '-created_at',
  sort: { created_at: 'date', price: 'decimal' },
  filters: {},
  unique: { name: Type.String() }
})
const read = mongoPages('things', Thing, documentCursor(list))
const PRICES = ['0.05', '0.50', '9.00', '10.00', '9.99', '100.00', '9999999999999999.99', '1000000000000000.00']

t.test('MongoDB', async (t) => {
  const { db } = await freshMongo(t)
  const things = db.collection('things')
  await things.createIndex({ price: 1, _id: 1 }, { collation: BY_NUMBER })
  await things.createIndex({ name: 1 }, { unique: true })
  const random = randomFrom(Date.now())
  const prices = [...PRICES, ...Array.from({ length: 40 }, () => `${random(10 ** random(9))}.${10 + random(90)}`)]
  const names = ['a1', 'a01', 'A1', 'e\u0301', '\u00e9', 'a.1', '(x|y)\\E', ...prices.map((_, n) => `thing ${n}`)]
  await things.insertMany(prices.map((price, n) => ({ name: names[n], price, created_at: new Date(n) })))

  const plain: Documents = db
  const inTransaction = withoutCommands(db)
  for (const [how, handle] of Object.entries({ plain, inTransaction })) {
    for (const sort of ['price', '-price']) {
      await t.test(`pages by ${sort}, ${how}`, async (t) => {
        const found: string[] = []
        const ids = new Set<string>()
        for (let after: string | undefined, limit = 1; after !== '';) {
          const request = { limit, sort, ...(after === undefined ? {} : { after }) }
          const page = await read(handle, toPageQuery(list, request), limit)
          for (const item of page.items) {
            found.push(item.price)
            ids.add(item.id)
          }
          after = page.next ?? ''
          limit = 1 + random(7)
        }
        const expected = prices.toSorted((one, other) => compare(one, other))
        t.same(found, sort === 'price' ? expected : expected.toReversed(), 'as numbers')
        t.equal(ids.size, prices.length, 'each of them once')
      })
    }

    await t.test(`a filter is for the same text, ${how}`, async (t) => {
      for (const name of names.slice(0, prices.length)) {
        const page = await read(handle, toPageQuery(list, { limit: 9, sort: 'price', name } as ListRequest), 9)
        t.same(page.items.map((item) => item.name), [name])
      }
    })
  }

  await t.test('pages are read from the index', async (t) => {
    const after = documentCursor(list)(
      { id: new ObjectId().toHexString(), price: '9.50' } as never,
      toPageQuery(list, { limit: 1, sort: 'price' })
    )
    for (const request of [{ limit: 1, sort: '-price' }, { limit: 1, sort: 'price', after }]) {
      const { filter, ...options } = toPageQuery(list, request)
      const { queryPlanner } = await things.find(filter, options).explain('queryPlanner') as { queryPlanner: Document }
      const plan = JSON.stringify(queryPlanner['winningPlan'])
      t.match(plan, '"indexName":"price_1__id_1"')
      t.notMatch(plan, '"stage":"SORT"')
    }
  })
})

function compare (one: string, other: string): number {
  const [a, b] = [BigInt(one.replace('.', '')), BigInt(other.replace('.', ''))]
  return a < b ? -1 : a > b ? 1 : 0
}
