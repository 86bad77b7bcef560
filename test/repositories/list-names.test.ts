// Lists whose columns are called as the parts of a page are.
import { Type } from '@sinclair/typebox'
import { sql } from 'drizzle-orm'
import * as pg from 'drizzle-orm/pg-core'
import * as sqlite from 'drizzle-orm/sqlite-core'
import t from 'tap'
import { id as postgresId } from '../../drizzle/columns/postgres.ts'
import { id as sqliteId } from '../../drizzle/columns/sqlite.ts'
import type { ListRequest } from '../../plugins/paging/cursor.ts'
import { sqlList } from '../../plugins/sql/lists/sql-list.ts'
import { IdSchema, line } from '../../schemas/common.ts'
import { defineList } from '../../schemas/list.ts'
import { handles } from './handles.ts'

const NAMES = ['key', 'rows', 'page', 'filter', 'offset', 'values'] as const
const fields = {
  key: line(1, 20),
  rows: Type.Integer(),
  page: Type.Integer(),
  filter: Type.Integer(),
  offset: Type.Integer(),
  values: Type.Integer()
}
const Entry = Type.Object({ id: IdSchema, ...fields })
const list = defineList(Entry, {
  ids: 'row',
  order: 'id',
  sort: { id: 'integer', key: 'text', rows: 'integer' },
  filters: {},
  unique: fields
})
const postgresEntries = pg.pgTable('entries', {
  id: postgresId(),
  key: pg.text().notNull(),
  rows: pg.integer().notNull(),
  page: pg.integer().notNull(),
  filter: pg.integer().notNull(),
  offset: pg.integer().notNull(),
  values: pg.integer().notNull()
})
const sqliteEntries = sqlite.sqliteTable('entries', {
  id: sqliteId(),
  key: sqlite.text().notNull(),
  rows: sqlite.integer().notNull(),
  page: sqlite.integer().notNull(),
  filter: sqlite.integer().notNull(),
  offset: sqlite.integer().notNull(),
  values: sqlite.integer().notNull()
})
const tables = { postgres: postgresEntries, sqlite: sqliteEntries as unknown as typeof postgresEntries }
const ID = { postgres: 'bigint generated always as identity primary key', sqlite: 'integer primary key autoincrement' }

t.test('a filter is compared with what was asked for, whatever its name', async (t) => {
  for (const { kind, db } of await handles(t)) {
    const pages = sqlList(list, { name: `entries_${kind}`, schema: Entry, table: () => tables[kind] })
    const columns = Object.keys(fields).map((name) => `"${name}" ${name === 'key' ? 'text' : 'integer'} not null`)
    await db.execute(sql.raw(`create table entries (id ${ID[kind]}, ${columns.join()})`))
    const values = Array.from({ length: 8 }, (_, n) => {
      const [rows, page, filter, offset] = [n * 10, n + 300, n + 400, n + 500]
      return { key: `k${n}`, rows, page, filter, offset, values: n + 600 }
    })
    await db.insert(tables[kind]).values(values)
    const read = async (request: object) => (await pages.on(db)({ limit: 5, ...request } as ListRequest)).items
    const [third] = (await read({})).slice(3)
    for (const name of NAMES) {
      for (const sort of ['id', '-id', 'key', '-key', 'rows', '-rows']) {
        t.strictSame(await read({ [name]: third?.[name], sort }), [third], `${kind}: ${name} by ${sort}`)
      }
      t.strictSame(await read({ [name]: third?.[name], after: '1' }), [third], `${kind}: ${name} behind a cursor`)
      t.strictSame(await read({ [name]: third?.[name], after: '7' }), [], `${kind}: ${name} behind it`)
    }
    t.strictSame(await read({ key: 'k3', rows: 30, page: 303, filter: 403, offset: 503, values: 603 }), [third])
    const after = 'rows.MA.1'
    t.strictSame(await read({ key: 'k3', sort: 'rows', after }), [third], 'a cursor of another column too')
  }
})
