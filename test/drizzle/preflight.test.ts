import t from 'tap'
import { readMigrations } from '../../drizzle/journal.ts'
import { migrate, migrateSqlite } from '../../drizzle/migrate.ts'
import { findObstacles } from '../../drizzle/online/obstacles.ts'
import { findOffences, type Offence } from '../../drizzle/preflight.ts'
import { openSqliteClient } from '../../drizzle/sqlite-client.ts'
import { findDocumentOffences } from '../../plugins/mongo/preflight.ts'
import { prepareDatabase } from '../../plugins/mongo/prepare.ts'
import { freshMongo } from '../fresh.ts'
import { connect, emptyPostgres } from './databases.ts'
import path from 'node:path'

const [, second] = readMigrations(path.join(import.meta.dirname, '../../drizzle/migrations/postgres'))
const brief = (offences: Offence[]) =>
  offences.map(({ where, rule, count, examples }) => [where, rule, count, examples] as const).sort((a, b) =>
    a[0] < b[0] ? -1 : 1
  )

t.test('a database of its own migrations is in nobody\u2019s way; what is in no range of ids is told', async (t) => {
  const { url, client } = await emptyPostgres(t)
  const postgres = async (text: string) => (await client.query<Record<string, unknown>>(text)).rows
  await migrate(url)
  const file = openSqliteClient(':memory:')
  t.teardown(() => {
    file.close()
  })
  await migrateSqlite(file)
  const { db } = await freshMongo(t)
  await prepareDatabase(db)
  t.strictSame(await findObstacles(postgres, true), [])
  t.strictSame(await findDocumentOffences(db), [])
  for (
    const [engine, run] of [['postgres', postgres], [
      'sqlite',
      async (text: string) => (await file.execute(text)).rows
    ]] as const
  ) {
    t.strictSame(await findOffences(run, engine), [], engine)
    await run("insert into outbox (id, topic, key, payload) values (-5, 'things', '1', '{}')")
    t.strictSame(brief(await findOffences(run, engine)), [['outbox', 'range of ids', 1, ['-5']]], engine)
  }
})

t.test('rows that a migration would stumble over are told by their ids, never by what is in them', async (t) => {
  const { url, client } = await emptyPostgres(t)
  const run = async (text: string) => (await client.query<Record<string, unknown>>(text)).rows
  t.strictSame(await findOffences(run, 'postgres'), [], 'nothing of an empty database')
  await migrate(url, { through: second?.when ?? 0 })
  t.strictSame(await findOffences(run, 'postgres'), [])
  await client.query(
    `insert into users (email, name) values ('Ada@example.com', 'n'), ('eve@example.com', 'n'), ('ada@EXAMPLE.com', 'n');
    alter table users drop constraint users_name_check; insert into users (email, name) values ('x@example.com', '');
    alter table orders drop constraint orders_user_id_fkey; insert into orders (user_id, total) values (77, 1);
    insert into users (id, email, name) overriding system value values (-5, 'y@example.com', 'n')`
  )
  const offences = await findOffences(run, 'postgres')
  t.strictSame(brief(offences), [
    ['orders', 'orders_user_id_fkey', 1, ['1']],
    ['users', 'range of ids', 1, ['-5']],
    ['users', 'users_name_check', 1, ['4']],
    ['users', 'users_email_key', 1, ['1…3']]
  ])
  t.notMatch(JSON.stringify(offences), /ada@|eve@|77/i)
})

t.test('views and long transactions are found before they stop a migration', async (t) => {
  const { url, client } = await emptyPostgres(t)
  await migrate(url, { through: second?.when ?? 0 })
  const run = async (text: string) => (await client.query<Record<string, unknown>>(text)).rows
  t.strictSame(await findObstacles(run, true), [])
  await client.query(`create view totals as select user_id, sum(total) from orders group by 1;
    create table notes (user_id integer constraint notes_user references users (id))`)
  t.strictSame(brief(await findObstacles(run, true)).map(([, , , examples]) => examples), [['totals'], [
    'notes.notes_user'
  ]])
  t.strictSame(await findObstacles(run, false), [])
  await t.rejects(migrate(url), {
    code: 'MIGRATION_FAILED',
    message: /0004_bigint_ids failed, steps 1 to \d+ stay done/
  })
  await client.query('drop view totals; drop table notes')
  await migrate(url)
  const other = await connect(t, url)
  await other.query('begin; select 1')
  t.strictSame(await findObstacles(run, false), [], 'a short one is nobody’s trouble')
})

t.test('SQLite', async (t) => {
  const client = openSqliteClient(':memory:')
  t.teardown(() => {
    client.close()
  })
  await migrateSqlite(client)
  const run = async (text: string) => (await client.execute(text)).rows
  t.strictSame(await findOffences(run, 'sqlite'), [])
  for (
    const statement of [
      'drop index users_email_key',
      "insert into users (email, name) values ('Ada@example.com', 'n'), ('ada@EXAMPLE.com', 'n')",
      'pragma foreign_keys = off',
      "insert into orders (user_id, total) values (77, '1')",
      'pragma ignore_check_constraints = on',
      "insert into order_items (order_id, product, quantity, unit_price) values (1, 'p', 0, '1')"
    ]
  ) await client.execute(statement)
  t.strictSame(brief(await findOffences(run, 'sqlite')), [
    ['order_items', 'order_items_quantity_check', 1, ['1']],
    ['orders', 'orders_user_id_fkey', 1, ['1']],
    ['users', 'users_email_key', 1, ['1…2']]
  ])
})

t.test('documents that break a validator or share what must be unique', async (t) => {
  const { db } = await freshMongo(t)
  t.strictSame(await findDocumentOffences(db), [], 'of an empty database')
  await prepareDatabase(db)
  const post = { title: 't', content: 'c', category: 'k', created_at: new Date(), updated_at: new Date() }
  const posts = db.collection('posts')
  await posts.insertMany([{ ...post, author_id: 5_000_000_000, slug: 'a' }, { ...post, author_id: 1 }])
  t.strictSame(await findDocumentOffences(db), [], 'large ids are numbers like others')
  await posts.dropIndex('posts_slug_key')
  const { insertedIds } = await posts.insertMany([
    { ...post, author_id: 'text' },
    { ...post, author_id: Number.MAX_SAFE_INTEGER + 1 },
    { ...post, author_id: 2, slug: 'a' }
  ], { bypassDocumentValidation: true })
  const found = await findDocumentOffences(db)
  t.match(brief(found), [
    ['posts', 'validator', 2, [String(insertedIds[0]), String(insertedIds[1])]],
    ['posts', 'posts_slug_key', 1, [/^[0-9a-f]{24}…[0-9a-f]{24}$/]]
  ])
})
