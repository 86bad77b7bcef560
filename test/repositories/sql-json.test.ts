import { asc, desc, eq, getTableColumns, sql } from 'drizzle-orm'
import { bigint, boolean, doublePrecision, integer, numeric, pgTable, text, timestamp } from 'drizzle-orm/pg-core'
import * as lite from 'drizzle-orm/sqlite-core'
import Fastify from 'fastify'
import { Type, type TSchema } from '@sinclair/typebox'
import t from 'tap'
import { timestampMs } from '../../drizzle/columns/sqlite.ts'
import { getDialect, type Database } from '../../drizzle/index.ts'
import { defineQueries, type Params } from '../../drizzle/prepared/queries.ts'
import { textList } from '../../plugins/sql/json/list.ts'
import { sqlPages } from '../../plugins/sql/json/page-reader.ts'
import { valueToJson } from '../../plugins/sql/json/value.ts'
import { MAX_ID, TimestampSchema } from '../../schemas/common.ts'
import { handles, postgresHandle } from './handles.ts'

const { id: _, ...fields } = {
  id: Type.Integer(),
  label: Type.String(),
  amount: Type.String(),
  count: Type.Integer(),
  ratio: Type.Number(),
  is_open: Type.Boolean(),
  at: TimestampSchema,
  note: Type.Union([Type.String(), Type.Null()]),
  mean: Type.Union([Type.Number(), Type.Null()]),
  seen_at: Type.Union([TimestampSchema, Type.Null()])
}
const Line = Type.Object({ id: Type.Integer(), item_id: Type.Integer(), ...fields })
const Item = Type.Object({ ...fields, lines: Type.Array(Line), id: Type.Integer() })

const makePostgres = (name: string) =>
  pgTable(name, {
    id: bigint({ mode: 'number' }).primaryKey(),
    label: text().notNull(),
    amount: numeric({ precision: 18, scale: 2 }).notNull(),
    count: integer().notNull(),
    ratio: doublePrecision().notNull(),
    is_open: boolean().notNull(),
    at: timestamp({ withTimezone: true }).notNull(),
    note: text(),
    mean: doublePrecision(),
    seen_at: timestamp(),
    item_id: bigint({ mode: 'number' }).notNull()
  })
const makeSqlite = (name: string) =>
  lite.sqliteTable(name, {
    id: lite.integer().primaryKey(),
    label: lite.text().notNull(),
    amount: lite.text().notNull(),
    count: lite.integer().notNull(),
    ratio: lite.real().notNull(),
    is_open: lite.integer({ mode: 'boolean' }).notNull(),
    at: timestampMs().notNull(),
    note: lite.text(),
    mean: lite.real(),
    seen_at: timestampMs(),
    item_id: lite.integer().notNull()
  })
type Odd = ReturnType<typeof makePostgres>
const tables = {
  postgres: { items: makePostgres('items'), lines: makePostgres('lines') },
  sqlite: { items: makeSqlite('items') as unknown as Odd, lines: makeSqlite('lines') as unknown as Odd }
}
const TYPES = {
  postgres:
    'id bigint primary key, label text, amount numeric(18,2), count integer, ratio double precision, is_open boolean, at timestamptz, note text, mean double precision, seen_at timestamp, item_id bigint',
  sqlite:
    'id integer primary key, label text, amount text, count integer, ratio real, is_open integer, at text, note text, mean real, seen_at text, item_id integer'
}

const queries = defineQueries('odd', (db, _tables, dialect) => {
  const { items, lines } = tables[dialect.name]
  return {
    list: ({ limit, rows }: Params<{ limit: number; rows: number }>) => {
      const page = db.$with('page').as(db.select().from(items).orderBy(asc(items.id)).limit(limit))
      return textList(db, dialect, page, {
        schema: Item,
        keys: ({ id }) => ({ id }),
        order: ({ id }) => [asc(id)],
        part: {
          name: 'lines',
          schema: Line,
          columns: getTableColumns(lines),
          parent: lines.item_id,
          order: [{ column: lines.id, isDescending: true }],
          limit: 3,
          rows
        }
      })
    }
  }
})
const toItems = sqlPages('items', Item, ({ id }: { id: number }) => id, { lines: Line })

// A small generator with a fixed seed: the same rows in every run.
let state = 22
const random = () => (state = (state * 1664525 + 1013904223) % 2 ** 32) / 2 ** 32
const pick = <Value>(values: Value[]): Value => values[Math.floor(random() * values.length)] as Value
const PIECES = [
  'a',
  'é',
  '"',
  '\\',
  '\n',
  '\u0001',
  '\u001f',
  '\u007f',
  '\u2028',
  '😀',
  '\ud800',
  '\\u0000',
  '</',
  '\b',
  "'",
  ', ',
  '", "',
  'null',
  '["'
]
const randomText = () => Array.from({ length: Math.floor(random() * 30) }, () => pick(PIECES)).join('')
const randomNumber = () => pick([random() * 1e6, 0.1 + 0.2, -0.5, 1e21, 5e-324, 1.7976931348623157e308, 3, 2 ** 53])
const DATES = [
  '0100-01-01T00:00:00.001Z',
  '0999-12-31T23:59:59.999Z',
  '1969-12-31T23:59:59.999Z',
  '9999-12-31T23:59:59.999Z'
]
const randomDate = () => pick([new Date(Math.floor((random() - 0.3) * 4e12)), ...DATES.map((text) => new Date(text))])

function randomRow (id: number, item_id: number) {
  return {
    id,
    item_id,
    label: randomText(),
    amount: `${Math.floor(random() * 1e12)}.${pick(['00', '09', '90'])}`,
    count: Math.floor((random() - 0.5) * 2 ** 32),
    ratio: randomNumber(),
    is_open: random() < 0.5,
    at: randomDate(),
    note: pick([null, '', randomText()]),
    mean: pick([null, randomNumber()]),
    seen_at: pick([null, randomDate()])
  }
}

async function makeTables (db: Database): Promise<void> {
  const { name } = getDialect(db)
  for (const table of ['items', 'lines']) await db.execute(sql.raw(`create table ${table} (${TYPES[name]})`))
}

/** What a route with this schema answers with objects. */
async function serialized (items: unknown[], schema: TSchema): Promise<string> {
  const app = Fastify()
  app.get('/', { schema: { response: { 200: Type.Array(schema) } } }, async () => items)
  return (await app.inject('/')).body
}

t.test('a random page reads as objects and their serializer would have it', async (t) => {
  for (const { kind, db } of await handles(t)) {
    await makeTables(db)
    const { items, lines } = tables[kind]
    const ids = [1, 2, 3, 2 ** 40, MAX_ID - 1, MAX_ID]
    for (let round = 0; round < 25; round++) {
      await db.insert(items).values(ids.map((id) => randomRow(id, 0)))
      const made = Array.from({ length: 12 }, (_line, n) => randomRow(n + 1, pick(ids)))
      await db.insert(lines).values(made)
      const rows = await db.select().from(items).orderBy(asc(items.id)).limit(5)
      const objects = await Promise.all(rows.map(async (row) => ({
        ...row,
        lines: await db.select().from(lines).where(eq(lines.item_id, row.id)).orderBy(desc(lines.id)).limit(3)
      })))
      const page = toItems(await queries.on(db).list({ limit: 6, rows: 1001 }), { limit: 5 })
      const expected = await serialized(objects, Item)
      t.strictSame(JSON.parse(String(page.json)), JSON.parse(expected), `${kind}, round ${round}`)
      t.strictSame(JSON.parse(await serialized(page.items, Item)), JSON.parse(expected), 'the items of the text')
      t.match(page, { next: MAX_ID - 1, left: undefined })
      await db.delete(items)
      await db.delete(lines)
    }
    t.match(toItems(await queries.on(db).list({ limit: 6, rows: 1001 }), { limit: 5 }), { json: '[]', next: undefined })
  }
})

t.test('what PostgreSQL alone can hold: microseconds, years before the first, no year at all', async (t) => {
  const { db } = await postgresHandle(t)
  await makeTables(db)
  const moments = [
    "'2025-03-30 01:02:03.123999+00'",
    "'1969-12-31 23:59:59.999999+00'",
    "'10000-01-01 00:00:00.001+00'",
    "'275760-09-13 00:00+00'"
  ]
  const strange = ["'0044-03-15 00:00:00.123+00 BC'", "'infinity'", "'-infinity'", "'294276-01-01 00:00+00'"]
  for (const [at, moment] of [...moments, ...strange].entries()) {
    await db.execute(
      sql.raw(`insert into items values (${at + 1}, '', 'NaN', 0, 0, true, ${moment}, null, null, null, 0)`)
    )
  }
  await db.execute(sql.raw("insert into items values (9, '', 1, 0, 'NaN', true, now())"))
  await db.execute(sql.raw("insert into items values (10, '', 1, 0, 1, true, now())"))
  await db.execute(sql.raw("insert into lines values (1, '', 1, 0, 1, true, 'infinity', null, null, null, 10)"))
  const page = toItems(await queries.on(db).list({ limit: 100, rows: 1001 }), { limit: 99 })
  const told = JSON.parse(String(page.json)) as Array<{ at: string }>
  const objects = await db.select().from(tables.postgres.items).orderBy(asc(tables.postgres.items.id)).limit(4)
  const expected = await serialized(objects.map((row) => ({ ...row, lines: [] })), Item)
  t.strictSame(told, JSON.parse(expected))
  t.match(told, [{ at: '2025-03-30T01:02:03.123Z', amount: 'NaN', mean: null }, { at: '1969-12-31T23:59:59.999Z' }, {
    at: '+010000-01-01T00:00:00.001Z'
  }, { at: '+275760-09-13T00:00:00.000Z' }])
  t.strictSame(
    page.left?.map(({ id, collection }) => `${collection} ${id}`),
    [5, 6, 7, 8, 9, 10].map((id) => `items ${id}`)
  )
  t.notMatch(page.left?.[0]?.reason, /44|infinity/)
})

t.test('one listed that cannot be told keeps its item out, in both stores', async (t) => {
  for (const { kind, db } of await handles(t)) {
    await makeTables(db)
    const { items, lines } = tables[kind]
    await db.insert(items).values([1, 2, 3].map((id) => randomRow(id, 0)))
    await db.insert(lines).values([1, 2, 3, 4].map((id) => randomRow(id, 1 + id % 2)))
    const values = kind === 'postgres' ? "ratio = 'NaN'" : "seen_at = 'tomorrow'"
    await db.execute(sql.raw(`update lines set ${values} where id = 3`))
    await db.execute(sql.raw('update lines set note = null where id in (2, 4)'))
    const page = toItems(await queries.on(db).list({ limit: 4, rows: 1001 }), { limit: 3 })
    const told = JSON.parse(String(page.json)) as Array<{ id: number }>
    t.strictSame(told.map(({ id }) => id), [1, 3], kind)
    t.strictSame(page.left?.map(({ id }) => id), ['2'])
  }
})

t.test('a page ends before it holds more rows than it may, and goes on behind', async (t) => {
  for (const { kind, db } of await handles(t)) {
    await makeTables(db)
    const { items, lines } = tables[kind]
    await db.insert(items).values([1, 2, 3, 4].map((id) => randomRow(id, 0)))
    for (let from = 0; from < 1200; from += 400) {
      await db.insert(lines).values(Array.from({ length: 400 }, (_line, n) => randomRow(from + n + 1, 1 + n % 4)))
    }
    const rows = await queries.on(db).list({ limit: 5, rows: 6 })
    t.strictSame(rows.map((row) => [row.id, row.rows]), [[1, 3], [2, 3]], kind)
    const last = JSON.parse(rows[1]?.json ?? '') as { lines: Array<{ id: number }> }
    t.strictSame(last.lines.map(({ id }) => id), [1198, 1194, 1190], 'the first in their order')
  }
})

t.test('columns and schema that do not agree stop the boot', async (t) => {
  const { db } = await postgresHandle(t)
  const dialect = getDialect(db)
  const { items } = tables.postgres
  const wrong: Array<[keyof typeof fields, TSchema, RegExp]> = [
    ['label', Type.Integer(), /label is a integer in the schema, its column holds a string/],
    ['at', Type.String(), /at is a string in the schema, its column holds a date/],
    ['note', Type.String(), /column of note may be null/],
    ['label', Type.Union([Type.String(), Type.Integer()]), /give it a type/],
    ['label', Type.Object({}), /give it a type/]
  ]
  for (const [name, schema, message] of wrong) {
    t.throws(() => valueToJson(items[name], schema, name, dialect), { message })
  }
  const page = db.$with('page').as(db.select({ id: items.id }).from(items))
  const list = { keys: ({ id }: typeof page) => ({ id }), order: ({ id }: typeof page) => [asc(id)] }
  t.throws(() => textList(db, dialect, page, { schema: Line, ...list }), { message: /no column for the field item_id/ })
})
