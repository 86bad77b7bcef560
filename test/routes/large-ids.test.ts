import type { Test } from 'tap'
import t from 'tap'
import { sql } from 'drizzle-orm'
import type { App } from '../../app.ts'
import { MAX_ID } from '../../schemas/common.ts'
import { getNext, isProblem, onEachEngine, readPages, type Service } from './engines.ts'

const item = { product: 'p', quantity: 1, unit_price: '1.00' }

/** Makes the next id of a table this one. */
async function setNextId ({ app, engine }: Service, table: string, id: number): Promise<void> {
  if (engine === 'postgres') {
    await app.pg.query(`select setval('${table}_id_seq', ${id}, false)`)
    return
  }
  await app.db.execute(sql.raw(`delete from sqlite_sequence where name = '${table}'`))
  await app.db.execute(sql.raw(`insert into sqlite_sequence (name, seq) values ('${table}', ${id - 1})`))
}

async function isEverywhere (t: Test, service: Service, id: number): Promise<void> {
  const { get, send } = service
  await setNextId(service, 'users', id)
  const created = await send('POST', '/users', { email: `u${id}@example.com`, name: 'n' })
  t.equal(created.statusCode, 201, created.body)
  t.equal(created.headers.location, `/users/${id}`)
  t.match(created.json(), { id })
  t.match((await get(`/users/${id}`)).json(), { id })
  t.match((await send('PATCH', `/users/${id}`, { name: 'm' })).json(), { id, name: 'm' })
  t.match((await get(`/users?after=${id - 1}`)).json(), [{ id }])

  await setNextId(service, 'orders', id)
  await setNextId(service, 'order_items', id)
  const order = await send('POST', '/orders', { user_id: id, items: [item] })
  t.equal(order.headers.location, `/orders/${id}`)
  t.match(order.json(), { id, user_id: id, items: [{ id }] })
  t.strictSame((await get(`/orders/${id}`)).json(), order.json())
  t.match((await get(`/orders?user_id=${id}`)).json(), [{ id }])
  isProblem(t, await send('DELETE', `/users/${id}`), 409)
}

onEachEngine(t, async (t, service) => {
  const { app, engine, get, send } = service
  await t.test('requests that are refused at the end of the old type leave room for others', async (t) => {
    await setNextId(service, 'users', 2_147_483_640)
    const first = await send('POST', '/users', { email: 'first@example.com', name: 'n' })
    for (let n = 0; n < 20; n++) {
      t.equal((await send('POST', '/users', { email: 'FIRST@example.com', name: 'n' })).statusCode, 409)
    }
    const next = await send('POST', '/users', { email: 'room@example.com', name: 'n' })
    t.equal(next.statusCode, 201)
    for (const { headers } of [first, next]) {
      t.equal((await send('DELETE', String(headers.location))).statusCode, 204)
    }
  })

  for (const id of [2_147_483_648, 5_000_000_000, MAX_ID - 1]) {
    await t.test(`id ${id} is an id like any other`, (t) => isEverywhere(t, service, id))
  }

  await t.test('pages go on behind large ids', async (t) => {
    const ids = (pages: Array<Array<{ id: number }>>) => pages.flat().map(({ id }) => id)
    const users = ids(await readPages<{ id: number }>(service, '/users?limit=1'))
    t.strictSame(users, [2_147_483_648, 5_000_000_000, MAX_ID - 1])
    t.strictSame(ids(await readPages<{ id: number }>(service, '/orders?limit=1')), [...users].reverse())
    const first = await get('/user-analytics?limit=1')
    t.match(getNext(first), /after=0_2147483648$/)
    t.equal((await readPages(service, '/user-analytics?limit=1')).length, 3)
  })

  await t.test('the last id is given, the next one is a fault of ours', async (t) => {
    await setNextId(service, 'users', MAX_ID)
    const last = await send('POST', '/users', { email: 'last@example.com', name: 'n' })
    t.equal(last.headers.location, `/users/${MAX_ID}`)
    t.equal((await get(`/users/${MAX_ID}`)).statusCode, 200)
    const before = await countRows(app)
    isProblem(t, await send('POST', '/users', { email: 'none@example.com', name: 'n' }), 500)
    await setNextId(service, 'orders', MAX_ID)
    t.equal((await send('POST', '/orders', { user_id: MAX_ID, items: [] })).statusCode, 400)
    await setNextId(service, 'order_items', MAX_ID)
    isProblem(t, await send('POST', '/orders', { user_id: MAX_ID, items: [item, item] }), 500)
    t.strictSame(await countRows(app), before, `nothing of it is stored (${engine})`)
  })

  await t.test('ids and cursors have one spelling', async (t) => {
    for (const id of [MAX_ID + 1, '9007199254740993', '1e3', '042', '+42', '42.0', '0', '-1']) {
      t.equal((await get(`/users/${id}`)).statusCode, 400, String(id))
    }
    for (
      const url of [
        '/orders?after=01_42',
        '/orders?after=1_042',
        '/orders?after=1_0',
        '/orders?after=00_1',
        '/orders?after=1_12345678901234567',
        '/user-analytics?after=03_42',
        '/user-analytics?after=3_042',
        '/user-analytics?after=3_0',
        '/posts?after=01_66f1c0a5e4b0a1b2c3d4e5f6',
        '/posts/summaries?after=007_66f1c0a5e4b0a1b2c3d4e5f6',
        '/users?after=042',
        '/users/summary?after=042'
      ]
    ) isProblem(t, await get(url), 400)
    for (
      const url of [
        '/orders?after=0_1',
        '/orders?after=9999999999999_9999999999999999',
        '/user-analytics?after=9999999999_9999999999999999',
        '/user-analytics?after=0_1',
        `/users?after=${MAX_ID}`,
        `/users/summary?after=${MAX_ID}`
      ]
    ) t.equal((await get(url)).statusCode, 200, url)
  })

  await t.test('posts have authors with large ids', async (t) => {
    const author_id = 5_000_000_000
    const post = await send('POST', '/posts', { title: 't', content: 'c', category: 'k', author_id })
    t.match(post.json(), { author_id })
    t.match((await get(String(post.headers.location))).json(), { author_id })
    t.match((await get('/posts/summaries')).json(), [{ author_id }])
    const stored = await app.mongo.db?.collection('posts').findOne({ author_id })
    t.equal(stored?.author_id, author_id, 'a number that people can read')
    t.equal(
      (await send('POST', '/posts', { title: 't', content: 'c', category: 'k', author_id: MAX_ID + 1 })).statusCode,
      400
    )
  })
})

async function countRows ({ db }: App): Promise<number[]> {
  const counts = ['users', 'orders', 'order_items', 'outbox'].map(async (table) => {
    const { rows } = await db.execute<{ n: number }>(sql.raw(`select count(*) as n from ${table}`))
    return Number(rows[0]?.n)
  })
  return await Promise.all(counts)
}
