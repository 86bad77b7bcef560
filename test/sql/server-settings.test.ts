import pg from 'pg'
import t from 'tap'
import { buildApp, type App } from '../../app.ts'
import { copiedThings } from '../fixture/copies.ts'
import { build, databases, type Databases } from '../helper.ts'
import { until } from '../until.ts'

t.test('answers and copies do not depend on the settings of role and database', async (t) => {
  const own = await databases(t)
  const name = new URL(own.databaseUrl).pathname.slice(1)
  const admin = new pg.Client(own.databaseUrl)
  await admin.connect()
  const settings = [
    "datestyle = 'SQL, DMY'",
    "timezone = 'Asia/Tokyo'",
    "intervalstyle = 'sql_standard'",
    "bytea_output = 'escape'",
    'standard_conforming_strings = off',
    'extra_float_digits = 0',
    "lc_numeric = 'C'",
    'search_path = decoy'
  ]
  // What the service must not read or write, whatever role and database say.
  await admin.query(
    'create schema decoy; create table decoy.things (n integer); create table decoy.outbox (n integer)'
  )
  for (const setting of settings) await admin.query(`alter database ${name} set ${setting}`)

  const app = await build(t, {
    plugins: copiedThings,
    settings: { DATABASE_URL: own.databaseUrl, MONGODB_URL: own.mongoUrl, MONGODB_DATABASE: own.mongoDatabase }
  })
  t.teardown(() => admin.end()) // before the app looks for sessions that were left
  await admin.query('set search_path = public')
  await admin.query(
    "insert into things (name, made_at) values ('back\\slash', '2026-05-04T23:30:00Z')"
  )
  const [may] = (await app.inject('/things?name=back%5Cslash')).json<Array<{ made_at: string }>>()
  t.equal(may?.made_at, '2026-05-04T23:30:00.000Z', 'the fourth of May')

  const created = await app.inject({
    method: 'POST',
    url: '/things',
    payload: { name: "O'Neill \\ 'x'" }
  })
  t.equal(created.statusCode, 201)
  t.match(created.json(), { name: "O'Neill \\ 'x'" })
  const { id, made_at } = created.json<{ id: number; made_at: string }>()
  t.match((await app.inject(`/things/${id}`)).json(), { made_at, price: '1.00' })
  t.ok(Math.abs(Date.parse(made_at) - Date.now()) < 3_600_000, 'in UTC')

  const write = async (url: string, name: string) =>
    (await app.inject({ method: 'POST', url, payload: { name } })).statusCode
  t.strictSame([await write('/followed', 'followed'), await write('/notes', 'note')], [201, 201])
  for (const url of ['/copied-things', '/copied-notes']) {
    await until(`${url} follows`, async () => (await app.inject(url)).json<unknown[]>().length === 1)
  }
  const outbox = async () => Number((await admin.query<{ n: string }>('select count(*) as n from outbox')).rows[0]?.n)
  await until('the outbox is empty', async () => await outbox() === 0)
  t.equal((await admin.query('select from decoy.things')).rowCount, 0)
})

t.test('tables in another schema are refused at boot, with what to do', async (t) => {
  const own = await databases(t)
  const admin = new pg.Client(own.databaseUrl)
  await admin.connect()
  await admin.query('create schema app; alter table idempotency_keys set schema app')
  t.teardown(() => admin.end())
  for (const NODE_ENV of ['test', 'production', 'development']) {
    await t.rejects(boot(own, { NODE_ENV }), {
      code: 'SQL_SCHEMA',
      message: /^DATABASE_URL: the table idempotency_keys is in the schema app, and the service uses public: move .*$/
    })
  }
  await admin.query('alter table app.idempotency_keys set schema public')
  await (await boot(own)).close()
})

t.test('behind PgBouncer, where sessions are not ours, a search_path that leads elsewhere is refused at boot', async (t) => {
  const own = await databases(t)
  const name = new URL(own.databaseUrl).pathname.slice(1)
  const admin = new pg.Client(own.databaseUrl)
  await admin.connect()
  t.teardown(() => admin.end())
  const pooled = { ...own, databaseUrl: `${own.databaseUrl}?pgbouncer=true` }
  for (const path of ["''", 'decoy, public']) {
    await admin.query('create schema if not exists decoy; create table if not exists decoy.outbox (id integer)')
    await admin.query(`alter database ${name} set search_path = ${path}`)
    await t.rejects(boot(pooled), {
      code: 'SQL_SCHEMA',
      message:
        /^DATABASE_URL: the search_path does not lead to public\.\w+: ALTER ROLE \w+ SET search_path = public, then start again$/
    })
    await (await boot(own)).close()
  }
  await admin.query(`alter database ${name} set search_path = public, decoy`)
  await (await boot(pooled)).close()
})

t.test('data alone comes back without any search_path, as a restore has it', async (t) => {
  const { databaseUrl } = await databases(t)
  const admin = new pg.Client(databaseUrl)
  await admin.connect()
  t.teardown(() => admin.end())
  await admin.query("select pg_catalog.set_config('search_path', '', false)")
  await admin.query("insert into public.fence (pair) values ('p')")
  await admin.query(`insert into public.users (id, email, name, version) overriding system value
    select n, 'u' || n || '@example.com', 'n', n from pg_catalog.generate_series(1, 3) n`)
  await admin.query('insert into public.orders (id, user_id, total) overriding system value values (1, 2, 1)')
  await admin.query("update public.users set name = 'm' where id = 1")
  await admin.query('delete from public.users where id = 3')
  t.equal((await admin.query('select from public.outbox')).rowCount, 5)
  await admin.query(`insert into public.posts (id, author_id, title, category, content_length, created_at)
    select 'p' || n, n % 2, 't', 'c', n, pg_catalog.now() from pg_catalog.generate_series(1, 5) n`)
  await admin.query("update public.posts set content_length = 10 where id = 'p1'")
  await admin.query("delete from public.posts where id in ('p2', 'p4', 'p5')")
  t.strictSame(
    (await admin.query('select author_id::int, post_count, content_length::int from public.author_post_counts')).rows,
    [
      { author_id: 1, post_count: 2, content_length: 13 }
    ]
  )
  await admin.query('truncate public.posts')
  t.equal((await admin.query('select from public.author_post_counts')).rowCount, 0)
  await admin.query('truncate public.users cascade')
  t.strictSame((await admin.query('select mend_wanted from public.fence')).rows, [{ mend_wanted: 1 }])
})

async function boot (own: Databases, settings: object = {}): Promise<App> {
  return await buildApp({
    logger: false,
    settings: {
      NODE_ENV: 'test',
      DATABASE_URL: own.databaseUrl,
      MONGODB_URL: own.mongoUrl,
      MONGODB_DATABASE: own.mongoDatabase,
      PROJECTIONS: false,
      ...settings
    }
  })
}
