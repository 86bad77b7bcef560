import { Type } from '@sinclair/typebox'
import t from 'tap'
import { getOrder, getPlace, parseCursor, toCursor } from '../../plugins/paging/cursor.ts'
import { documentCursor, toPageQuery } from '../../plugins/repositories/documents.ts'
import { decimal, MAX_ID, TimestampSchema } from '../../schemas/common.ts'
import { defineList, getList, toOrder } from '../../schemas/list.ts'

const Thing = Type.Object({
  id: Type.Integer(),
  name: Type.String({ maxLength: 255 }),
  text: Type.String(),
  price: decimal(10, 2),
  count: Type.Integer(),
  made_at: TimestampSchema,
  note: Type.Optional(Type.String({ maxLength: 9 }))
})
const sort = { id: 'integer', name: 'text', price: 'decimal', count: 'integer', made_at: 'date' } as const
const things = defineList(Thing, {
  ids: 'row',
  order: 'id',
  sort,
  filters: { count: Type.Integer() },
  unique: { name: Type.String() }
})
const documents = defineList(Type.Object({ ...Thing.properties, id: Type.String() }), {
  ids: 'document',
  order: '-made_at',
  sort: { made_at: 'date', name: 'text' },
  filters: { count: Type.Integer() },
  unique: {}
})

t.test('a declaration is the query of its list', async (t) => {
  t.strictSame(Object.keys(things.query.properties), ['limit', 'skip', 'after', 'sort', 'count', 'name'])
  t.match(things.query.properties.sort, { enum: ['id', '-id', 'name', '-name', 'price', '-price', 'count', '-count'] })
  t.equal(getList(things.query)?.order.column, 'id')
  t.equal(getList(Type.Object({})), undefined)
  const declare = (name: string, kind: string) => () =>
    defineList(Thing, {
      ids: 'row',
      order: 'id',
      sort: { id: 'integer', [name]: kind } as { id: 'integer' },
      filters: {},
      unique: {}
    })
  for (
    const [name, kind] of [['nothing', 'text'], ['name', 'date'], ['made_at', 'text'], ['count', 'decimal']] as const
  ) {
    t.throws(declare(name, kind), { name: 'TypeError', message: new RegExp(`cannot be sorted by ${name}`) })
  }
  t.throws(declare('note', 'text'), /may be absent/)
  t.throws(declare('text', 'text'), /maxLength of 255/)
})

t.test('a cursor leads to its place, in its order alone', async (t) => {
  const values = { id: 7, name: 'Ä ~._\u{1f600}', price: '10.50', count: -3, made_at: new Date(-1) }
  for (const [column, key] of Object.entries(values)) {
    for (const isDescending of [false, true]) {
      const order = { column, isDescending }
      const cursor = toCursor(things, order, key, 7)
      t.match(cursor, new RegExp(String(things.query.properties.after.pattern)), cursor)
      t.strictSame(parseCursor(things, order, cursor), { key: column === 'id' && !isDescending ? '7' : key, id: '7' })
      t.equal(parseCursor(things, { column, isDescending: !isDescending }, cursor), undefined, 'not turned round')
      t.equal(parseCursor(things, toOrder(column === 'name' ? 'price' : 'name'), cursor), undefined, 'not of another')
    }
  }
  t.equal(toCursor(things, getOrder(things, undefined), 7, 7), '7', 'short in the order of the list')
  t.match(parseCursor(things, toOrder('id'), String(MAX_ID + 1)), { id: String(MAX_ID) })
  t.equal(parseCursor(things, toOrder('name'), 'name.Zg.1.1.1')?.id, '1')
  t.throws(() => getPlace(things, { limit: 1, after: '7', sort: 'name' }), RangeError)
})

t.test('the query of documents', async (t) => {
  const id = 'f'.repeat(24)
  t.strictSame(toPageQuery(documents, { limit: 1, skip: 3 }), { filter: {}, sort: { made_at: -1, _id: -1 }, skip: 3 })
  const query = toPageQuery(documents, { limit: 1, sort: 'name', count: { $gt: 0 } } as never)
  t.strictSame(
    query,
    { filter: { count: { $eq: { $gt: 0 } } }, sort: { name: 1, _id: 1 } },
    'a value is never an operator'
  )
  const after = documentCursor(documents)({ id, name: 'n' } as { id: string }, query)
  t.match(toPageQuery(documents, { limit: 1, sort: 'name', after }).filter, {
    name: { $gte: 'n' },
    $or: [{ name: { $gt: 'n' } }, { _id: { $gt: Object } }]
  })
})
