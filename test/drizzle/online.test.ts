// Online migrations: how their steps are run, and run again.
import t from 'tap'
import { drizzle } from 'drizzle-orm/node-postgres'
import { schema } from '../../drizzle/index.ts'
import { migrate, pendingMigrations } from '../../drizzle/migrate.ts'
import { connect, emptyPostgres, folder, rewrite } from './databases.ts'

const BREAK = '\n--> statement-breakpoint\n'
const tables = {
  tag: '0000_tables',
  when: 1000,
  sql:
    'create table a (id integer primary key, b integer, c integer); insert into a select n, n % 50 from generate_series(1, 100) n;'
}
const online = (...statements: string[]) => ({
  tag: '0001_online',
  when: 2000,
  sql: `-- online\n${statements.join(BREAK)}`
})

t.test('an index that could not be built leaves nothing behind, and is built again', async (t) => {
  const { url, client } = await emptyPostgres(t)
  const step = '-- why\ncreate unique index concurrently a_b on public.a (b);'
  const dir = folder(t, [tables, online(step)])
  await t.rejects(migrate(url, { folder: dir }), {
    code: 'MIGRATION_FAILED',
    message: /^Migration 0001_online failed, steps 1 to 0 stay done, .*: rows are alike where a_b allows only one; .*$/
  })
  t.strictSame(await indexes(), [])

  // As if the process had been killed while it was building.
  await client.query('create unique index concurrently a_b on a (b)').catch(() => {})
  t.strictSame(await indexes(), [{ valid: false }])
  await client.query('update a set b = id')
  t.strictSame(await migrate(url, { folder: dir }), ['0001_online'])
  t.strictSame(await indexes(), [{ valid: true }])
  t.strictSame(await migrate(url, { folder: dir }), [])

  async function indexes () {
    return (await client.query("select indisvalid as valid from pg_index where indexrelid = to_regclass('a_b')")).rows
  }
})

t.test('batches go on to the last row, and indexes go as they came', async (t) => {
  const { url, client } = await emptyPostgres(t)
  const batch = `-- batches
    with part as (select max(id) as last from (select id from a where id > coalesce($1::bigint, 0) order by id limit 7) as rows),
    filled as (update a set c = id where id > coalesce($1::bigint, 0) and id <= (select last from part))
    select last::text as next from part;`
  const said: string[] = []
  const dir = folder(t, [
    tables,
    online(
      'create index concurrently if not exists "a_c" on public.a (c);',
      batch,
      'drop index concurrently if exists public.a_c;'.replace('public.', '')
    )
  ])
  t.strictSame(await migrate(url, { folder: dir, say: (line) => said.push(line) }), ['0000_tables', '0001_online'])
  t.equal((await client.query('select from a where c = id')).rowCount, 100)
  t.strictSame((await client.query("select to_regclass('a_c') as a_c")).rows, [{ a_c: null }])
  t.equal(said.length, 3)
})

t.test('a step that fails keeps those before it; a file that is edited then is refused', async (t) => {
  const { url, client } = await emptyPostgres(t)
  const good = 'alter table a add column d integer;'
  const dir = folder(t, [tables, online(good, 'select 1 / (select count(*) from a where d = 1);')])
  await t.rejects(migrate(url, { folder: dir }), { message: /steps 1 to 1 stay done.*division by zero$/ })
  await t.rejects(migrate(url, { folder: dir }), { message: /division by zero/ }, 'the first step does not run twice')
  rewrite(dir, [tables, online(good, 'select 1;')])
  await t.rejects(migrate(url, { folder: dir }), {
    code: 'MIGRATION_EDITED',
    message: /^Migration 0001_online was edited after 1 of its steps had run: .*$/
  })
  rewrite(dir, [tables, online(good, 'select 1 / (select count(*) from a where d = 1);')])
  await client.query('update a set d = 1')
  t.strictSame(await migrate(url, { folder: dir }), ['0001_online'])
})

t.test('ordinary migrations in front of an online one stay when that one fails', async (t) => {
  const { url, client } = await emptyPostgres(t)
  const dir = folder(t, [tables, online('select nothing;')])
  await t.rejects(migrate(url, { folder: dir }), { message: /0001_online/ })
  t.equal((await client.query('select from a')).rowCount, 100)
})

t.test('each of the orders of locks is tried, so that neither kind of writer is in the way for ever', async (t) => {
  const { url } = await emptyPostgres(t)
  const two = { ...tables, sql: 'create table a (id integer); create table b (id integer);' }
  const dir = folder(t, [two])
  await migrate(url, { folder: dir })
  rewrite(dir, [
    two,
    online('-- locks a, b or b, a\nalter table a add column c integer; alter table b add column c integer;')
  ])
  const holder = await connect(t, url)
  await holder.query('begin; insert into b values (1)')
  const migrated = migrate(url, { folder: dir })
  // Comes to wait for the migration, which holds a and waits for b.
  const { promise: locked, release } = waitFor(holder)
  await locked
  await holder.query('insert into a (id) values (1)')
  release()
  await holder.query('commit')
  t.strictSame(await migrated, ['0001_online'])

  function waitFor (client: typeof holder) {
    let isOver = false
    const ask = async () => {
      while (!isOver) {
        const { rows } = await client.query("select from pg_locks where relation = 'b'::regclass and not granted")
        if (rows.length > 0) return
      }
    }
    return {
      promise: ask(),
      release: () => {
        isOver = true
      }
    }
  }
})

t.test('a file that took the place of another one is known by the hash of that', async (t) => {
  const { url, client } = await emptyPostgres(t)
  await migrate(url)
  const { rowCount } = await client.query(`update drizzle.__drizzle_migrations
    set hash = '36928caef790005b25b9b53eac177f66376d069c97d99b598ca5b71fa58fa1bb' where created_at = 1795720183784`)
  t.equal(rowCount, 1)
  t.strictSame(await migrate(url), [])
  t.strictSame(await pendingMigrations(drizzle(client, { schema })), [])
  await client.query("update drizzle.__drizzle_migrations set hash = 'another' where created_at = 1795720183784")
  await t.rejects(migrate(url), { code: 'MIGRATION_EDITED' })
})

t.test('bounds and search_path of the role or the database do not end a migration', async (t) => {
  const { url, client } = await emptyPostgres(t)
  const name = new URL(url).pathname.slice(1)
  for (const setting of ["statement_timeout = '200ms'", "lock_timeout = '200ms'", "search_path = ''"]) {
    await client.query(`alter database ${name} set ${setting}`)
  }
  const pause = 'create function pause(integer) returns text immutable language sql return pg_sleep(0.01)::text || $1;'
  const dir = folder(t, [
    { ...tables, sql: `${tables.sql} ${pause}` },
    online('select pg_sleep(0.4);', 'create index concurrently a_slow on public.a (public.pause(id));')
  ])
  t.strictSame(await migrate(url, { folder: dir }), ['0000_tables', '0001_online'])
  t.strictSame((await client.query("select to_regclass('public.a_slow')::text as a")).rows, [{ a: 'a_slow' }])
})
