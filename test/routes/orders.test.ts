import t from 'tap'
import type { Order } from '../../schemas/orders.ts'
import type { User } from '../../schemas/users.ts'
import { copyPosts, isProblem, getNext, onEachEngine, readPages, getPointers } from './engines.ts'

const item = { product: 'Pencil', quantity: 3, unit_price: '0.10' }

onEachEngine(t, async (t, service) => {
  const { app, engine, get, send } = service
  const addUser = async (email: string) => (await send('POST', '/users', { email, name: email })).json<User>().id
  const first = await addUser('first@example.com')
  const second = await addUser('second@example.com')

  await t.test('POST /orders/', async (t) => {
    const response = await send('POST', '/orders/', {
      user_id: first,
      items: [item, { product: 'Rule', quantity: 10_000, unit_price: '99999999.99' }]
    })
    t.equal(response.statusCode, 201)
    const order = response.json<Order>()
    t.match(order, {
      user_id: first,
      status: 'pending',
      total: '999999999900.30',
      created_at: /Z$/,
      items: [item, { product: 'Rule', unit_price: '99999999.99' }]
    })
    t.equal(response.headers.location, `/orders/${order.id}`)
    t.strictSame((await get(`/orders/${order.id}`)).json(), order)
    t.equal(
      (await send('POST', '/orders', { user_id: first, items: Array.from({ length: 100 }, () => item) })).json<Order>()
        .total,
      '30.00'
    )

    const before = (await get('/orders')).json<Order[]>().length
    const unknown = await send('POST', '/orders', { user_id: 2_147_483_647, items: [item] })
    isProblem(t, unknown, 409, {
      detail: 'User not found',
      errors: [{ pointer: '/user_id', detail: 'User not found' }]
    })
    t.equal((await get('/orders')).json<Order[]>().length, before, 'nothing is stored of a refused order')

    const invalid = await send('POST', '/orders', {
      user_id: '1',
      items: [{ product: '', quantity: 0, unit_price: 1 }, { ...item, price: '1.00' }],
      total: '0.00'
    })
    isProblem(t, invalid, 400)
    t.strictSame([...new Set(getPointers(invalid))], [
      '/items/0/product',
      '/items/0/quantity',
      '/items/0/unit_price',
      '/items/1/price',
      '/total',
      '/user_id'
    ])
    for (const unit_price of ['1', '1.0', '1.001', '-1.00', '01.00', '100000000.00', '1e3', 'NaN', '']) {
      isProblem(t, await send('POST', '/orders', { user_id: first, items: [{ ...item, unit_price }] }), 400)
    }
    for (
      const body of [
        { user_id: first },
        { user_id: first, items: [] },
        { user_id: first, items: Array.from({ length: 101 }, () => item) },
        { user_id: first, items: [{ ...item, quantity: 10_001 }] },
        { user_id: first, items: [{ ...item, quantity: 1.5 }] }
      ]
    ) {
      isProblem(t, await send('POST', '/orders', body), 400)
    }
  })

  if (engine === 'postgres') {
    await t.test('an item that the database refuses takes the whole order with it', async (t) => {
      await app.pg.query("alter table order_items add constraint order_items_sold_check check (product <> 'sold out')")
      const before = (await get('/orders')).json<Order[]>().length
      isProblem(
        t,
        await send('POST', '/orders', { user_id: first, items: [item, { ...item, product: 'sold out' }] }),
        422
      )
      t.equal((await get('/orders')).json<Order[]>().length, before)
    })
  }

  await t.test('GET /orders/{id}', async (t) => {
    isProblem(t, await get('/orders/2147483647'), 404, { detail: 'Order not found' })
    isProblem(t, await get('/orders/x'), 400)
    isProblem(t, await send('DELETE', '/orders/1'), 405)
  })

  await t.test('GET /orders/', async (t) => {
    for (let n = 0; n < 5; n++) await send('POST', '/orders', { user_id: second, items: [item, item].slice(n % 2) })
    const all = (await get('/orders')).json<Order[]>()
    t.strictSame(all.map(({ id }) => id), all.map(({ id }) => id).toSorted((a, b) => b - a), 'newest first')
    t.strictSame(
      (await readPages<Order>(service, '/orders?limit=3')).flat(),
      all,
      'pages show the same, items included'
    )
    const own = (await get(`/orders/?user_id=${second}`)).json<Order[]>()
    t.strictSame(own.map(({ items }) => items.length), [2, 1, 2, 1, 2])
    t.strictSame((await readPages<Order>(service, `/orders?user_id=${second}&limit=2`)).map(({ length }) => length), [
      2,
      2,
      1
    ])
    t.match(
      getNext(await get(`/orders?user_id=${second}&limit=2`)),
      new RegExp(`^/orders\\?user_id=${second}&limit=2&after=\\d+_\\d+$`)
    )
    t.strictSame((await get('/orders?user_id=2147483647')).json(), [])
    t.strictSame(
      (await get('/orders?limit=2&skip=1')).json<Order[]>().map(({ id }) => id),
      all.slice(1, 3).map(({ id }) => id)
    )
    for (
      const query of [
        'after=x',
        'after=1',
        'after=1_',
        'user_id=x',
        'limit=101',
        'skip=1&after=1_1',
        `after=${'9'.repeat(16)}_1`
      ]
    ) isProblem(t, await get(`/orders?${query}`), 400)
    t.equal((await get('/orders?after=9999999999999_9999999999')).statusCode, 200)
  })

  await t.test('GET /user-analytics', async (t) => {
    await copyPosts(service, second, 3, 7)
    await copyPosts(service, 2_000_000_000, 3, 7)
    const third = await addUser('third@example.com')
    const response = await get('/user-analytics')
    t.equal(response.statusCode, 200)
    const expected = [
      { name: 'second@example.com', post_count: 3, avg_content_length: 7 },
      { name: 'first@example.com', post_count: 0, avg_content_length: null },
      { name: 'third@example.com', post_count: 0, avg_content_length: null }
    ]
    t.strictSame(response.json(), expected)
    t.strictSame(await readPages(service, '/user-analytics/?limit=2'), [expected.slice(0, 2), expected.slice(2)])
    t.match(getNext(await get('/user-analytics?limit=2')), `after=0_${first}`)
    t.strictSame((await get('/user-analytics?skip=1')).json(), expected.slice(1))
    t.strictSame((await get(`/user-analytics?after=0_${third}`)).json(), [])
    isProblem(t, await get('/user-analytics?after=x'), 400)
    isProblem(t, await get('/user-analytics?limit=1000'), 400)
    isProblem(t, await send('POST', '/user-analytics'), 405)
  })
})
