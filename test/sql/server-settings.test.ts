import pg from 'pg'
import t from 'tap'
import { build, databases } from '../helper.ts'
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
    "lc_numeric = 'C'"
  ]
  for (const setting of settings) await admin.query(`alter database ${name} set ${setting}`)

  const app = await build(t, {
    settings: { DATABASE_URL: own.databaseUrl, MONGODB_URL: own.mongoUrl, MONGODB_DATABASE: own.mongoDatabase }
  })
  t.teardown(() => admin.end()) // before the app looks for sessions that were left
  await admin.query(
    "insert into users (email, name, created_at) values ('may@example.com', 'back\\slash', '2026-05-04T23:30:00Z')"
  )
  const [user] = (await app.inject('/users?email=may@example.com')).json<
    Array<{ id: number; created_at: string; name: string }>
  >()
  t.equal(user?.created_at, '2026-05-04T23:30:00.000Z', 'the fourth of May')

  const created = await app.inject({
    method: 'POST',
    url: '/users',
    payload: { email: 'set@example.com', name: "O'Neill \\ 'x'" }
  })
  t.equal(created.statusCode, 201)
  t.match(created.json(), { name: "O'Neill \\ 'x'" })
  const { id, created_at } = created.json<{ id: number; created_at: string }>()
  t.equal((await app.inject(`/users/${id}`)).json<{ created_at: string }>().created_at, created_at)
  t.ok(Math.abs(Date.parse(created_at) - Date.now()) < 3_600_000, 'in UTC')

  const order = await app.inject({
    method: 'POST',
    url: '/orders',
    payload: { user_id: id, items: [{ product: 'p', quantity: 1, unit_price: '1.10' }] }
  })
  t.match(order.json(), { total: '1.10' })
  t.equal(
    (await app.inject({
      method: 'POST',
      url: '/posts',
      payload: { title: 't', content: 'c', category: 'k', author_id: id }
    })).statusCode,
    201
  )
  await until(
    'the post is in the list',
    async () =>
      (await app.inject('/users?email=set@example.com')).json<Array<{ posts: unknown[] }>>()[0]?.posts.length === 1
  )
  await until(
    'the user is in MongoDB',
    async () => (await app.inject('/users/summary')).json<Array<{ id: number }>>().some((summary) => summary.id === id)
  )
  const outbox = async () => Number((await admin.query<{ n: string }>('select count(*) as n from outbox')).rows[0]?.n)
  await until('the outbox is empty', async () => await outbox() === 0)
})
