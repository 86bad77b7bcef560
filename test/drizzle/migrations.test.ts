import { cpSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { pgTable, text } from 'drizzle-orm/pg-core'
import { drizzle } from 'drizzle-orm/node-postgres'
import pg from 'pg'
import t, { type Test } from 'tap'
import { constraintProblems } from '../../drizzle/constraints.ts'
import { findDrift } from '../../drizzle/drift.ts'
import { asDatabase, schema, sqliteSchema } from '../../drizzle/index.ts'
import * as postgresOnly from '../../drizzle/postgres-only.ts'
import { findPending, readMigrations, type Migration } from '../../drizzle/journal.ts'
import { migrate, migrateSqlite, pendingMigrations } from '../../drizzle/migrate.ts'
import { openSqliteClient, type SqliteClient } from '../../drizzle/sqlite-client.ts'
import { SqliteHandle } from '../../plugins/sql/sqlite/handle.ts'
import { SqliteReadWritePool } from '../../plugins/sql/sqlite/read-write-pool.ts'
import { newFolder } from '../folder.ts'
import { databases } from '../helper.ts'
import { emptyPostgres, folder, rewrite } from './databases.ts'

const real = path.join(import.meta.dirname, '..', '..', 'drizzle', 'migrations')
const tags = {
  postgres: readMigrations(path.join(real, 'postgres')).map(({ tag }) => tag),
  sqlite: readMigrations(path.join(real, 'sqlite')).map(({ tag }) => tag)
}

function sqliteFile (t: Test): string {
  return `file:${path.join(newFolder(t), 'app.db')}`
}

function openSqlite (t: Test, url: string): SqliteClient {
  const client = openSqliteClient(url)
  t.teardown(() => {
    client.close()
  })
  return client
}

const first = {
  tag: '0000_first',
  when: 1000,
  sql: 'create table a (id integer primary key);\n--> statement-breakpoint\ninsert into a values (1);'
}
const second = { tag: '0001_second', when: 2000, sql: 'create table b (id integer primary key);' }

t.test('four at once: one migrates, the others find nothing to do', async (t) => {
  const { url, client } = await emptyPostgres(t)
  const file = sqliteFile(t)
  for (const [dialect, target] of [['postgres', url], ['sqlite', file]] as const) {
    const done = await Promise.all([1, 2, 3, 4].map(() => migrate(target)))
    t.strictSame(done.filter(({ length }) => length > 0), [tags[dialect]], dialect)
    t.strictSame(await migrate(target), [])
  }
  const { rows } = await client.query<{ n: number }>('select count(*)::int as n from drizzle.__drizzle_migrations')
  t.equal(rows[0]?.n, tags.postgres.length)
})

t.test('what is still to run is known before and after', async (t) => {
  const { url } = await emptyPostgres(t)
  const pool = new pg.Pool({ connectionString: url })
  t.teardown(() => pool.end())
  const file = sqliteFile(t)
  const sqlite = new SqliteReadWritePool({ path: file.slice('file:'.length), readers: 1, timeout: 1000, maxWaiting: 1 })
  t.teardown(() => {
    sqlite.close()
  })
  for (
    const [dialect, db, run] of [
      ['postgres', drizzle(pool, { schema }), () => migrate(url)],
      ['sqlite', asDatabase(new SqliteHandle(sqlite)), () => migrate(file)]
    ] as const
  ) {
    t.strictSame(await pendingMigrations(db), tags[dialect])
    t.strictSame(await run(), tags[dialect])
    t.strictSame(await pendingMigrations(db), [])
  }
  await pool.query(
    "insert into drizzle.__drizzle_migrations (hash, created_at) values ('of the future', 9000000000000)"
  )
  await t.rejects(pendingMigrations(drizzle(pool, { schema })), {
    name: 'MigrationError',
    code: 'MIGRATION_AHEAD',
    message: /1 migration that this code does not know .*, remove \.data$/
  })
  await t.rejects(migrate(url), { code: 'MIGRATION_AHEAD' })
})

t.test('an edited, a late and an unknown migration are refused in one line, on both dialects', async (t) => {
  const { url } = await emptyPostgres(t)
  for (const target of [url, sqliteFile(t)]) {
    const dir = folder(t, [first])
    t.strictSame(await migrate(target, { folder: dir }), ['0000_first'])
    rewrite(dir, [{ ...first, sql: first.sql.replaceAll('\n', '\r\n') }])
    t.strictSame(await migrate(target, { folder: dir }), [], 'line ends of another system are no edit')
    rewrite(dir, [{ ...first, sql: `${first.sql} ` }])
    await t.rejects(migrate(target, { folder: dir }), {
      code: 'MIGRATION_EDITED',
      message: /^Migration 0000_first was edited after it had run: restore the file.*$/
    })
    rewrite(dir, [{ ...second, tag: '0000_early', when: 500 }, first])
    await t.rejects(migrate(target, { folder: dir }), {
      code: 'MIGRATION_LATE',
      message: /^Migration 0000_early is older than 0000_first, which has already run here.*$/
    })
    rewrite(dir, [second])
    await t.rejects(migrate(target, { folder: dir }), { code: 'MIGRATION_AHEAD' })
    rewrite(dir, [first, second])
    t.strictSame(await migrate(target, { folder: dir }), ['0001_second'], 'and nothing of it was changed')
  }
})

t.test('a failing migration leaves nothing behind, not even those before it', async (t) => {
  const { url, client } = await emptyPostgres(t)
  const file = sqliteFile(t)
  const dir = folder(t, [first, {
    ...second,
    sql: `${second.sql}\n--> statement-breakpoint\ninsert into missing values (1);`
  }])
  for (const target of [url, file]) {
    await t.rejects(migrate(target, { folder: dir }), {
      code: 'MIGRATION_FAILED',
      message: /^Migration 0001_second failed, nothing was changed: .*missing.*$/
    })
  }
  const { rows } = await client.query("select from pg_class where relname in ('a', 'b', '__drizzle_migrations')")
  t.equal(rows.length, 0)
  const tables = await openSqlite(t, file).execute("select name from sqlite_master where type = 'table'")
  t.strictSame(tables.rows, [])
})

t.test('waiting for another migrator has an end', async (t) => {
  const { url, client } = await emptyPostgres(t)
  await client.query('select pg_advisory_lock(7246001, 1)')
  await t.rejects(migrate(url, { waitMs: 100 }), {
    code: 'MIGRATION_LOCKED',
    message: /^Somebody else has been migrating this database for too long.*$/
  })
  await client.query('select pg_advisory_unlock(7246001, 1)')
  t.strictSame(await migrate(url, { waitMs: 100 }), tags.postgres)

  const file = sqliteFile(t)
  const holder = await openSqlite(t, file).transaction('write')
  await t.rejects(migrate(file, { waitMs: 100 }), { code: 'MIGRATION_LOCKED' })
  holder.close()
  t.strictSame(await migrate(file, { waitMs: 100 }), tags.sqlite)
})

t.test('rebuilding a table in SQLite keeps the rows that refer to it, and must not leave orphans', async (t) => {
  const client = openSqlite(t, ':memory:')
  const parents = {
    tag: '0000_parents',
    when: 1,
    sql:
      'create table parent (id integer primary key);\n--> statement-breakpoint\ncreate table child (id integer primary key, parent integer references parent (id) on delete cascade);\n--> statement-breakpoint\ninsert into parent values (1);\n--> statement-breakpoint\ninsert into child values (1, 1);'
  }
  const rebuild = {
    tag: '0001_rebuild',
    when: 2,
    sql:
      'create table new_parent (id integer primary key, name text);\n--> statement-breakpoint\ninsert into new_parent select id, null from parent;\n--> statement-breakpoint\ndrop table parent;\n--> statement-breakpoint\nalter table new_parent rename to parent;'
  }
  const orphans = { tag: '0002_orphans', when: 3, sql: 'delete from parent;' }
  await migrateSqlite(client, { folder: folder(t, [parents, rebuild]) })
  t.equal((await client.execute('select * from child')).rows.length, 1)
  await t.rejects(migrateSqlite(client, { folder: folder(t, [parents, rebuild, orphans]) }), {
    code: 'MIGRATION_FAILED',
    message: /refer to nothing/
  })
  t.equal((await client.execute('select * from parent')).rows.length, 1)
  t.strictSame((await client.execute('pragma foreign_keys')).rows[0]?.foreign_keys, 1, 'foreign keys are on again')
})

t.test('a journal is in the order of time', async (t) => {
  t.throws(() => readMigrations(folder(t, [first, { ...second, when: 1000 }])), {
    code: 'MIGRATION_ORDER',
    message: /0001_second stands after 0000_first but is not newer/
  })
  t.ok(tags.postgres.length > 0)
  const migration: Migration = { tag: '0000_a', when: 1, hash: 'h', replaces: [], isOnline: false, statements: [] }
  t.strictSame(findPending([migration], []), [migration])
  t.strictSame(findPending([migration], [{ when: 1, hash: 'h' }]), [])
})

t.test('each change is in both dialects, but for what only PostgreSQL has', async (t) => {
  const names = (all: string[]) => all.map((tag) => tag.slice('0000_'.length))
  const alone = names(tags.postgres).filter((name) => !names(tags.sqlite).includes(name))
  // A service that was ejected has the tables as they are, and no history.
  const ofPostgres = ['two_phase', 'version_grows']
  t.strictSame(alone, names(tags.postgres).includes('user_events') ? ofPostgres : [])
})

t.test('the migrations make what the tables say', async (t) => {
  t.strictSame(await findDrift(), { postgres: [], sqlite: [] })
  const extra = pgTable('extra', { id: text().primaryKey() })
  const { postgres, sqlite } = await findDrift({
    tables: { postgres: { ...schema, ...postgresOnly, extra }, sqlite: sqliteSchema }
  })
  t.match(postgres, [/CREATE TABLE "extra"/])
  t.strictSame(sqlite, [])
  const copy = newFolder(t)
  cpSync(real, copy, { recursive: true })
  const snapshot = path.join(copy, 'sqlite', 'meta', `${tags.sqlite.at(-1)?.slice(0, 4)}_snapshot.json`)
  writeFileSync(snapshot, readFileSync(snapshot, 'utf8').replace('"outbox_waiting": {', '"outbox_other": {'))
  t.not((await findDrift({ folder: copy })).sqlite.length, 0)
})

t.test('every rule a client can break has words, in both dialects', async (t) => {
  const { databaseUrl } = await databases(t)
  const client = new pg.Client(databaseUrl)
  await client.connect()
  t.teardown(() => client.end())
  const { rows } = await client.query<{ name: string }>(`select conname as name from pg_constraint
    where connamespace = 'public'::regnamespace and contype in ('u', 'f', 'c')
    union select indexrelid::regclass::text from pg_index join pg_class on pg_class.oid = indexrelid
    where relnamespace = 'public'::regnamespace and indisunique and not indisprimary order by 1`)
  const names = new Set(Object.keys(constraintProblems).map((name) => name.replace(/ on delete$/, '')))
  t.strictSame([...names].sort(), rows.map(({ name }) => name).sort())
  const sqlite = openSqlite(t, ':memory:')
  await migrateSqlite(sqlite)
  const ddl = (await sqlite.execute("select group_concat(sql, ' ') as ddl from sqlite_master")).rows[0]?.ddl
  for (const name of names) if (!name.endsWith('_fkey')) t.match(ddl, name, `SQLite has ${name}`)
})

t.test('every change of a user leaves an event in the same transaction', async (t) => {
  const { databaseUrl } = await databases(t)
  const client = new pg.Client(databaseUrl)
  await client.connect()
  t.teardown(() => client.end())
  const sqlite = openSqlite(t, ':memory:')
  await migrateSqlite(sqlite)
  const postgres = async (text: string) => (await client.query(text)).rows as Array<Record<string, unknown>>
  const libsql = async (text: string) => (await sqlite.execute(text)).rows.map((row) => ({ ...row }))
  for (
    const [run, undone] of [[postgres, postgres], [libsql, async (text: string) => {
      for (const statement of text.split('; ')) await sqlite.execute(statement)
    }]] as const
  ) {
    await run("insert into users (email, name) values ('a@example.com', 'A'), ('b@example.com', 'B')")
    await run("update users set name = 'AA' where email = 'a@example.com'")
    await run("delete from users where email = 'b@example.com'")
    const events = (await run('select * from outbox order by id')).map(({ id, topic, key, payload }) => ({
      id: Number(id),
      topic,
      key,
      payload: typeof payload === 'string' ? JSON.parse(payload) as unknown : payload
    }))
    const [a = { key: '' }] = events
    t.strictSame(events, [
      { id: 1, topic: 'users', key: '1', payload: { id: 1, name: 'A', email: 'a@example.com', version: 1 } },
      { id: 2, topic: 'users', key: '2', payload: { id: 2, name: 'B', email: 'b@example.com', version: 2 } },
      { id: 3, topic: 'users', key: '1', payload: { id: 1, name: 'AA', email: 'a@example.com', version: 3 } },
      { id: 4, topic: 'users', key: '2', payload: { id: 2, deleted: true, version: 4 } }
    ])
    const [user] = await run(`select version from users where id = ${a.key}`)
    t.equal(Number(user?.version), 3, 'the row knows its newest event')
    await undone("begin; update users set name = 'undone'; rollback")
    t.equal((await run('select * from outbox')).length, 4)
  }
})
