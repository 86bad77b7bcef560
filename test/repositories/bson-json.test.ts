import { isUtf8 } from 'node:buffer'
import { isDeepStrictEqual } from 'node:util'
import { Type } from '@sinclair/typebox'
import { BSON, Decimal128, Double, Int32, Long, ObjectId } from 'mongodb'
import t from 'tap'
import { compileBatch } from '../../plugins/mongo/json/bson-json.ts'
import { INSTANT_LENGTH, writeInstant } from '../../plugins/common/instant.ts'
import { FIRST_TIMESTAMP, LAST_TIMESTAMP } from '../../schemas/common.ts'

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
    t.same(JSON.parse(String(json)), documents.map(expected), `round ${round}`)
  }
})

t.test('limit cuts the page and tells that there is more', async (t) => {
  const documents = Array.from({ length: 3 }, randomDocument)
  const page = toJson(raw(documents), 2)
  t.equal(JSON.parse(String(page.json)).length, 2)
  t.equal(page.hasMore, true)
  t.same(JSON.parse(page.last ?? ''), expected(documents[1] ?? {}))
  t.same(toJson(raw([]), 2), { json: '[]', characters: 0, last: undefined, hasMore: false, strange: [] })
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
    t.same(JSON.parse(String(page.json)), [expected(document)])
    t.match(page, { hasMore: true, strange: [{ id: wrong['_id'], reason }] })
    t.notMatch(page.strange, /yes|nested|2025/)
  }
})

t.test('each character is written as JSON has it, wherever in a text it stands', async (t) => {
  const odd = ['\u0000', '\u001f', '"', '\\', '\u007f', '\u0080', 'ÿ', '\u2028', '漢', '\uffff', '😀', ' ', '~']
  const documents = odd.flatMap((character) =>
    Array.from(
      { length: 18 },
      (_, at) => ({ ...randomDocument(), title: 'x'.repeat(at) + character + 'y'.repeat(17 - at) })
    )
  )
  t.same(JSON.parse(String(toJson(raw(documents), 1000).json)), documents.map(expected))
})

t.test('a page may be larger than the memory that is kept, and the next one is small again', async (t) => {
  for (const length of [10, 60_000, 70_000, 600_000, 10]) {
    for (const character of ['x', 'ü', '漢', '😀', '"']) {
      const document = { ...randomDocument(), title: character.repeat(length) }
      const { json, characters } = toJson(raw([document, document]), 100)
      // A difference of millions of characters would take minutes to be told.
      t.ok(isDeepStrictEqual(JSON.parse(String(json)), [expected(document), expected(document)]))
      t.equal(characters, String(json).length - '[,]'.length, 'counted as a string counts them')
    }
  }
})

t.test('numbers are written as JSON.stringify has them', async (t) => {
  const Numbers = Type.Object({ n: Type.Number(), i: Type.Integer() })
  const numbersToJson = compileBatch(Numbers)
  const whole = [0, 7, 9, 10, 99, 100, 2 ** 31 - 1, 2 ** 31, 2 ** 32, -1, -(2 ** 31), 2 ** 53 - 1, 1 - 2 ** 53]
  for (
    const i of [
      ...whole,
      ...Array.from({ length: 200 }, () => Math.floor((random() - 0.5) * 2 ** (54 * random())))
    ]
  ) {
    const types = [new Double(i), Long.fromNumber(i), ...(i === (i | 0) ? [new Int32(i)] : [])]
    for (const stored of types) {
      const n = pick([random(), -0, 1e21, 5e-324, i + 0.5])
      t.equal(numbersToJson(raw([{ n: new Double(n), i: stored }]), 1).json, `[${JSON.stringify({ n, i })}]`)
    }
  }
})

t.test('names of fields may hold any character', async (t) => {
  const Odd = Type.Object({ 'ä"\u2028😀': Type.Optional(Type.Integer()), b: Type.Optional(Type.Boolean()) })
  const oddToJson = compileBatch(Odd)
  const documents = [{ 'ä"\u2028😀': 1, b: true }, {}, { b: false, other: null }, { created_at: null }]
  const { json, characters } = oddToJson(raw(documents), 10)
  t.equal(json, JSON.stringify([{ 'ä"\u2028😀': 1, b: true }, {}, { b: false }, {}]))
  t.equal(characters, json.length - '[,,,]'.length)
})

t.test('a document whose bytes end too early costs its own row, and no more', async (t) => {
  const document = { ...randomDocument(), title: 'plain' }
  const [whole = new Uint8Array()] = raw([document])
  const around = Buffer.concat([whole, whole, whole])
  const cuts = Array.from({ length: whole.length }, (_, length) => around.subarray(whole.length, whole.length + length))
  const bent = Array.from({ length: whole.length - 5 }, (_, at) => {
    const copy = Buffer.from(whole)
    copy[at + 4] = 0xff
    return copy
  })
  for (const broken of [...cuts, ...bent]) {
    const { json, strange } = toJson([whole, broken, whole], 3)
    const items = JSON.parse(String(json)) as unknown[]
    t.equal(items.length + strange.length, 3)
    t.same([items.at(0), items.at(-1)], [expected(document), expected(document)])
  }
})

t.test('bytes that are no UTF-8 become the character for that, as the driver reads them', async (t) => {
  const broken = [[0xed, 0xa0, 0x80], [0xc3], [0x80, 0x80], [0xf0, 0x9f, 0x98], [0xff], [0xe6, 0xbc, 0x78]].map((
    bytes
  ) => Buffer.from(bytes))
  for (const wrong of broken) {
    for (const length of [0, 5, 8, 150_000]) {
      const [bytes = new Uint8Array()] = raw([{
        ...randomDocument(),
        title: `${'x'.repeat(length)}${'.'.repeat(wrong.length)}y`
      }])
      const document = Buffer.from(bytes)
      wrong.copy(document, document.indexOf('.'.repeat(wrong.length) + 'y'))
      const { json } = toJson([document], 1)
      const [{ title = '' } = {}] = JSON.parse(String(json)) as Array<{ title?: string }>
      t.ok(title === `${'x'.repeat(length)}${wrong.toString()}y`, `${wrong.toString('hex')} behind ${length}`)
      t.ok(isUtf8(Buffer.from(json)))
    }
  }
})

t.test('the length of a text is that of its characters, whatever their bytes are', async (t) => {
  const Short = Type.Object({ text: Type.String({ minLength: 3, maxLength: 9 }) })
  const shortToJson = compileBatch(Short)
  for (const character of ['x', 'ü', '漢', '😀', '"', '\n']) {
    const documents = Array.from({ length: 12 }, (_, length) => ({ text: character.repeat(length) }))
    const { json, strange } = shortToJson(raw(documents), 100)
    t.strictSame(JSON.parse(String(json)), documents.slice(3, 10), JSON.stringify(character))
    t.equal(strange.length, 5)
  }
})

t.test('instants are written as Date has them', async (t) => {
  const bytes = Buffer.alloc(INSTANT_LENGTH + 2, 'x')
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const span = LAST_TIMESTAMP - FIRST_TIMESTAMP
  const times = Array.from({ length: 2000 }, () => FIRST_TIMESTAMP + Math.floor(random() * span))
  for (
    const time of [FIRST_TIMESTAMP, LAST_TIMESTAMP, -1, 0, 999, 1000, 86_399_999, 86_400_000, -86_400_000, ...times]
  ) {
    writeInstant(view, 1, time)
    t.equal(bytes.toString(), `x${new Date(time).toISOString()}x`)
  }
  t.throws(() => writeInstant(view, 1, 9e15), RangeError)
})
