// From the first tables, full of rows and in use, to those of today.
import { setTimeout as sleep } from 'node:timers/promises'
import path from 'node:path'
import type pg from 'pg'
import t, { type Test } from 'tap'
import { readMigrations } from '../../drizzle/journal.ts'
import { migrate } from '../../drizzle/migrate.ts'
import { connect, emptyPostgres } from './databases.ts'
import { until } from '../until.ts'

const migrations = readMigrations(path.join(import.meta.dirname, '../../drizzle/migrations/postgres'))
const FIRST = migrations[1]?.when ?? 0
const ROWS = 10_000

/** A database as the first release made it, with rows; its events were carried over. */
async function oldDatabase (t: Test, rows = ROWS): Promise<{ url: string; client: pg.Client }> {
  const { url, client } = await emptyPostgres(t)
  await migrate(url, { through: FIRST })
  await client.query(
    `insert into users (email, name) select 'User' || n || '@example.com', 'n' from generate_series(1, ${rows}) n;
    insert into orders (user_id, total) select 1 + n % ${rows}, 1 from generate_series(1, ${rows}) n;
    insert into order_items (order_id, product, quantity, unit_price)
      select 1 + n % ${rows}, 'p', 1, 1 from generate_series(1, ${rows * 2}) n;
    insert into posts select lpad(n::text, 24, '0'), 1 + n % ${rows}, 't', 'c', 9, now() from generate_series(1, ${rows}) n;
    delete from outbox`
  )
  return { url, client }
}

/** Everything of the schema public that the service could notice, without the order of columns. */
async function describe (client: pg.Client): Promise<unknown> {
  const { rows: [row] } = await client.query<{ all: unknown }>(`select json_build_object(
    'columns', (select json_agg(c order by table_name, column_name) from (select table_name, column_name, data_type, is_nullable, column_default,
       is_identity, identity_maximum from information_schema.columns where table_schema = 'public') c),
    'indexes', (select json_agg(indexdef order by indexdef) from pg_indexes where schemaname = 'public'),
    'constraints', (select json_agg(c order by name) from (select conname as name, convalidated, pg_get_constraintdef(oid) as def
       from pg_constraint where connamespace = 'public'::regnamespace) c),
    'triggers', (select json_agg(pg_get_triggerdef(oid) order by tgname) from pg_trigger where not tgisinternal),
    'functions', (select json_agg(pg_get_functiondef(oid) order by proname) from pg_proc where pronamespace = 'public'::regnamespace)
  ) as all`)
  return row?.all
}

/** A client of the service that changes rows in every table until it is stopped. */
class Writer {
  readonly failures: string[] = []
  users = 0
  orders = 0
  longestMs = 0
  #isOver = false
  readonly #done: Promise<void>

  constructor (client: pg.Client, name: string) {
    this.#done = this.#run(client, name)
  }

  async stop (): Promise<void> {
    this.#isOver = true
    await this.#done
  }

  async #run (client: pg.Client, name: string): Promise<void> {
    await client.query("set lock_timeout = '2s'")
    for (let n = 0; !this.#isOver; n++) {
      const startedAt = performance.now()
      try {
        await client.query('begin')
        const { rows: [user] } = await client.query<{ id: string }>(
          'insert into users (email, name) values ($1, $2) returning id',
          [`${name}-${n}@example.com`, 'n']
        )
        const { rows: [order] } = await client.query<{ id: string }>(
          'insert into orders (user_id, total) values ($1, 1) returning id',
          [user?.id]
        )
        await client.query("insert into order_items (order_id, product, quantity, unit_price) values ($1, 'p', 1, 1)", [
          order?.id
        ])
        await client.query("update users set name = 'm', updated_at = now() where id = $1", [1 + n])
        await client.query('commit')
        this.users++
        this.orders++
      } catch (error) {
        this.failures.push(String(error))
        await client.query('rollback')
      }
      this.longestMs = Math.max(this.longestMs, performance.now() - startedAt)
      await sleep(20)
    }
  }
}

t.test('rows and writers come through, and the tables are those of a fresh database', async (t) => {
  const { url, client } = await oldDatabase(t)
  const fresh = await emptyPostgres(t)
  await migrate(fresh.url)
  const writers = await Promise.all(['a', 'b', 'c'].map(async (name) => new Writer(await connect(t, url), name)))
  t.strictSame((await migrate(url)).at(-1), migrations.at(-1)?.tag)
  // In sessions that know the tables of before.
  const seen = writers.map(({ users }) => users)
  await until('all have written behind it', () => writers.every(({ users }, at) => users > (seen[at] ?? 0)), 30_000)
  for (const writer of writers) await writer.stop()
  t.strictSame(writers.flatMap(({ failures }) => failures), [], 'no writer was refused')
  t.strictSame(await describe(client), await describe(fresh.client))

  const made = writers.reduce((sum, { users }) => sum + users, 0)
  const { rows: [counts] } = await client.query<Record<string, number>>(
    `select (select count(*)::int from users) as users,
    (select count(*)::int from orders) as orders, (select count(*)::int from order_items) as items, (select count(*)::int from posts) as posts,
    (select count(*)::int from users where id <= ${ROWS} and email = 'User' || id || '@example.com') as same,
    (select count(*)::int from orders join users on users.id = orders.user_id) as joined,
    (select count(*)::int from outbox) as events, (select max(id)::int from users) as highest, (select count(*)::int from users where version = 0) as unversioned`
  )
  t.match(counts, {
    users: ROWS + made,
    orders: ROWS + made,
    items: 2 * ROWS + made,
    posts: ROWS,
    same: ROWS,
    joined: ROWS + made
  })
  t.equal(counts?.events, 2 * made, 'an event for each change, none for a row that was only widened')
  t.equal(counts?.unversioned, 0)
  const { rows: [next] } = await client.query<{ id: string }>(
    "insert into users (email, name) values ('next@example.com', 'n') returning id"
  )
  t.equal(Number(next?.id), (counts?.highest ?? 0) + 1, 'the sequence goes on')
})

t.test('a migration that is stopped behind any step goes on there', async (t) => {
  const { url, client } = await oldDatabase(t, 10)
  await client.query('create role guest_of_ids')
  await client.query('grant select on sequence users_id_seq to guest_of_ids')
  const said: string[] = []
  for (let stops = 0;; stops++) {
    let isNew = true
    const done = await migrate(url, {
      say: (line) => {
        if (!isNew) throw new Error('stopped')
        isNew = false
        said.push(line)
      }
    }).catch((error: unknown) => {
      t.match(String(error), 'stopped')
      return undefined
    })
    if (done !== undefined) break
    t.ok(stops < 100)
  }
  t.equal(new Set(said).size, said.length, 'no step ran twice')
  const fresh = await emptyPostgres(t)
  await migrate(fresh.url)
  t.strictSame(await describe(client), await describe(fresh.client))
  t.equal((await client.query('select from drizzle.__online_steps')).rowCount, 0)
  const { rows } = await client.query("select has_sequence_privilege('guest_of_ids', 'users_id_seq', 'select') as may")
  t.strictSame(rows, [{ may: true }], 'who could use the sequence still can')
  await client.query('drop owned by guest_of_ids; drop role guest_of_ids')
})

t.test('a table that somebody holds blocks the migration, and nobody behind it', async (t) => {
  const { url, client } = await oldDatabase(t, 10)
  const holder = await connect(t, url)
  await holder.query('begin; update users set name = name where id = 1')
  const blocked = t.rejects(migrate(url, { waitMs: 2000 }), { code: 'MIGRATION_BLOCKED', message: /migrate again/ })
  let isOver = false
  const over = blocked.finally(() => {
    isOver = true
  })
  await client.query("set statement_timeout = '2s'")
  do {
    await client.query("update users set name = 'm' where id = 2")
    await client.query('select count(*) from users')
  } while (!isOver)
  await over
  await holder.query('commit')
  t.strictSame((await migrate(url)).at(-1), migrations.at(-1)?.tag)
})

t.test('accounts that share a mailbox stop the migration before it changes anything, without naming it', async (t) => {
  const { url, client } = await oldDatabase(t, 3)
  await client.query("insert into users (email, name) values ('USER2@example.com', 'n')")
  await t.rejects(migrate(url), {
    code: 'MIGRATION_FAILED',
    message: /^Migration 0003_email_case failed, .* in other letter case: npm run db:preflight lists them.*$/
  })
  t.notMatch(await migrate(url).catch(String), /user2/i)
  await client.query("update users set email = 'other@example.com' where id = 4")
  t.strictSame(await migrate(url), migrations.slice(3).map(({ tag }) => tag))
})
