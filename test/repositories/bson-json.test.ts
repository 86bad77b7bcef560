import { Type } from '@sinclair/typebox'
import { BSON, Decimal128, Double, Int32, Long, ObjectId } from 'mongodb'
import t from 'tap'
import { compileBatch } from '../../plugins/mongo/json/bson-json.ts'
import { isoDate } from '../../plugins/mongo/json/iso-date.ts'

const Item = Type.Object({
  id: Type.String(),
  title: Type.String(),
  created_at: Type.String({ format: 'date-time' }),
  count: Type.Integer({ minimum: -5 }),
  score: Type.Number(),
  is_public: Type.Boolean(),
  slug: Type.Optional(Type.String())
})
const toJson = compileBatch(Item, { id: '_id' })

/** Documents as they come from the server. */
function raw (documents: object[]): Uint8Array[] {
  return documents.map((document) => BSON.serialize(document, { ignoreUndefined: true }))
}

// A small generator with a fixed seed: the same documents in every run.
function randomFrom (seed: number): () => number {
  let state = seed
  return () => {
    state = (state * 1664525 + 1013904223) % 2 ** 32
    return state / 2 ** 32
  }
}

const random = randomFrom(20)
const pick = <Value>(values: Value[]): Value => values[Math.floor(random() * values.length)] as Value

function randomText (): string {
  const characters = ['a', 'é', '"', '\\', '\n', '\u0000', '\u2028', '😀', '</script>', ' ', '\t', '漢']
  return Array.from({ length: Math.floor(random() * 30) }, () => pick(characters)).join('')
}

function randomDocument (): Record<string, unknown> {
  const fields: Array<[string, unknown]> = [
    ['_id', pick([new ObjectId(), randomText()])],
    ['title', randomText()],
    ['created_at', new Date(Math.floor((random() - 0.3) * 4e12))],
    [
      'count',
      pick([
        new Int32(Math.floor(random() * 2 ** 31)),
        Long.fromNumber(Math.floor(random() * 2 ** 53)),
        new Double(Math.floor(random() * 1e9)),
        new Int32(-5)
      ])
    ],
    ['score', pick([new Double(random() * 1e6), new Double(-0.5), new Int32(3), new Double(1e21)])],
    ['is_public', random() < 0.5]
  ]
  if (random() < 0.5) fields.push(['slug', randomText()])
  const unknown: Array<[string, unknown]> = [
    ['tags', ['x', { y: 1 }]],
    ['nested', { title: 'not this one' }],
    ['_v', Long.fromNumber(7)],
    ['price', Decimal128.fromString('1.50')],
    ['pattern', /a+"b/i],
    ['nothing', null],
    ['titles', 'longer name'],
    ['bytes', Buffer.from('abc')],
    ['code', new BSON.Code('x')],
    ['at', new BSON.Timestamp({ t: 1, i: 2 })]
  ]
  fields.push(pick(unknown))
  if (random() < 0.3) fields.reverse()
  return Object.fromEntries(fields)
}

/** What the driver's decoding and the response schema make of the same bytes. */
function expected (document: Record<string, unknown>): unknown {
  const decoded = BSON.deserialize(BSON.serialize(document))
  const { _id, ...rest } = decoded
  const known = Object.fromEntries(Object.entries(rest).filter(([name]) => name in Item.properties))
  return JSON.parse(JSON.stringify({ ...known, id: _id }))
}

t.test("a random batch reads like the driver's own decoding", async (t) => {
  for (let round = 0; round < 500; round++) {
    const documents = Array.from({ length: Math.floor(random() * 5) }, randomDocument)
    const { json } = toJson(raw(documents), 100)
    t.same(JSON.parse(json), documents.map(expected), `round ${round}`)
  }
})

t.test('limit cuts the page and tells that there is more', async (t) => {
  const documents = Array.from({ length: 3 }, randomDocument)
  const page = toJson(raw(documents), 2)
  t.equal(JSON.parse(page.json).length, 2)
  t.equal(page.hasMore, true)
  t.same(JSON.parse(page.last ?? ''), expected(documents[1] ?? {}))
  t.same(toJson(raw([]), 2), { json: '[]', last: undefined, hasMore: false, strange: [] })
})

t.test('what the schema does not allow is left out, and named without its values', async (t) => {
  const document = randomDocument()
  const { title: _title, ...untitled } = document
  const strange: Array<[Record<string, unknown>, RegExp]> = [
    [untitled, /lacks a required field/],
    [{ ...document, title: 5 }, /"title"/],
    [{ ...document, title: null }, /"title"/],
    [{ ...document, count: new Double(1.5) }, /"count"/],
    [{ ...document, count: Long.MAX_VALUE }, /"count"/],
    [{ ...document, count: new Double(1e300) }, /"count"/],
    [{ ...document, count: new Int32(-6) }, /"count"/],
    [{ ...document, score: Number.NaN }, /"score"/],
    [{ ...document, is_public: 'yes' }, /"is_public"/],
    [{ ...document, created_at: { nested: true } }, /"created_at"/],
    [{ ...document, created_at: '2025-01-01' }, /"created_at"/],
    [{ ...document, created_at: new Date(8.64e15) }, /"created_at"/],
    [{ ...document, created_at: new Date('-000001-01-01T00:00:00Z') }, /"created_at"/]
  ]
  for (const [wrong, reason] of strange) {
    const page = toJson(raw([document, wrong, document]), 2)
    t.same(JSON.parse(page.json), [expected(document)])
    t.match(page, { hasMore: true, strange: [{ id: wrong['_id'], reason }] })
    t.notMatch(page.strange, /yes|nested|2025/)
  }
})

t.test('isoDate agrees with Date', async (t) => {
  for (let round = 0; round < 2000; round++) {
    const time = Math.floor((random() - 0.5) * 16e15)
    if (Math.abs(time) > 8.64e15) continue
    t.equal(isoDate(time), new Date(time).toISOString())
  }
  t.throws(() => isoDate(9e15), RangeError)
})
