import t from 'tap'
import type { Order } from '../../schemas/orders.ts'
import type { Post } from '../../schemas/posts.ts'
import type { User } from '../../schemas/users.ts'
import { getNext, getPointers, isProblem, onEachEngine, readPages } from './engines.ts'

onEachEngine(t, async (t, service) => {
  const { get, send } = service
  const users: User[] = []
  for (const name of ['Grace', 'ada', 'Ada', 'Édith', 'Ada']) {
    users.push((await send('POST', '/users', { name, email: `u${users.length}@example.com` })).json<User>())
  }
  for (const [n, price] of ['9.99', '10.00', '9.99', '1234.50', '0.00'].entries()) {
    const items = [{ product: 'p', quantity: 1, unit_price: price }]
    await send('POST', '/orders', { user_id: users[n % 2]?.id, items })
  }
  for (const [n, title] of ['b', 'a', 'B', 'a', 'ä'].entries()) {
    const post = { title, content: 'c', category: n < 3 ? 'k' : "it's", author_id: users[n % 2]?.id }
    await send('POST', '/posts', post)
  }

  await t.test('lists come in the order that is asked for, page by page', async (t) => {
    const names = async (sort: string) =>
      (await readPages<User>(service, `/users?limit=2&sort=${sort}`)).flat().map(({ name }) => name)
    t.strictSame(await names('name'), ['Ada', 'Ada', 'Grace', 'ada', 'Édith'], 'by their characters')
    t.strictSame(await names('-name'), (await names('name')).reverse())
    t.strictSame(await names('-id'), users.map(({ name }) => name).reverse())

    const totals = async (query: string) =>
      (await readPages<Order>(service, `/orders?limit=2&${query}`)).flat().map(({ total }) => total)
    t.strictSame(await totals('sort=total'), ['0.00', '9.99', '9.99', '10.00', '1234.50'], 'as numbers')
    t.strictSame(await totals('sort=-total'), (await totals('sort=total')).reverse())
    t.strictSame(await totals('sort=created_at'), (await totals('')).reverse())

    const titles = async (query: string) =>
      (await readPages<Post>(service, `/posts?limit=2&${query}`)).flat().map(({ title }) => title)
    t.strictSame(await titles('sort=title'), ['B', 'a', 'a', 'b', 'ä'])
    t.strictSame(await titles('sort=-title'), (await titles('sort=title')).reverse())
    t.strictSame(await titles('sort=created_at'), (await titles('')).reverse())
  })

  await t.test('so do summaries of posts, and the posts of a category', async (t) => {
    for (
      const [path, sorted] of [
        ['/posts/summaries', ['B', 'a', 'a', 'b', 'ä']],
        ['/posts/by-category/k', ['B', 'a', 'b']],
        ["/posts/by-category/it's", ['a', 'ä']]
      ] as const
    ) {
      const titles = async (query: string) =>
        (await readPages<Post>(service, `${path}?limit=1&${query}`)).flat().map(({ title }) => title)
      t.strictSame(await titles('sort=title'), sorted, path)
      t.strictSame(await titles('sort=-title'), sorted.toReversed())
      t.strictSame(await titles('sort=created_at'), (await titles('')).reverse())
      t.strictSame(await titles('sort=-created_at'), await titles(''))
      const after = new URL(getNext(await get(`${path}?limit=1&sort=title`)) ?? '', 'http://localhost').searchParams
      isProblem(t, await get(`${path}?sort=-title&after=${after.get('after')}`), 400)
      for (const query of ['sort=author_id', 'sort=content', 'author_id=1', 'category=k']) {
        isProblem(t, await get(`${path}?${query}`), 400)
      }
    }
  })

  await t.test('filters are for equality, and the links keep them', async (t) => {
    const [first] = users
    const first2 = await get(`/orders?status=pending&user_id=${first?.id}&sort=created_at&limit=2`)
    t.match(getNext(first2), /^\/orders\?status=pending&user_id=\d+&sort=created_at&limit=2&after=created_at\./)
    t.equal((await readPages<Order>(service, `/orders?status=pending&user_id=${first?.id}&limit=2`)).flat().length, 3)
    t.strictSame((await get('/orders?status=paid')).json(), [])
    t.equal((await get(`/posts?author_id=${users[1]?.id}`)).json<Post[]>().length, 2)
    const quoted = `/posts?category=${encodeURIComponent("it's")}&sort=created_at&limit=1`
    t.equal((await readPages<Post>(service, quoted)).flat().length, 2)
    t.match((await get('/users?email=U2@example.com&sort=-name')).json(), [{ id: users[2]?.id }])
  })

  await t.test('the cursor of another order is refused, as is what no index has', async (t) => {
    const byTotal = new URL(getNext(await get('/orders?limit=1&sort=total')) ?? '', 'http://localhost')
    const after = String(byTotal.searchParams.get('after'))
    t.match(after, /^total\.[\w-]+\.\d+$/)
    for (const query of [`after=${after}`, `sort=-total&after=${after}`, `sort=created_at&after=${after}`]) {
      const response = await get(`/orders?${query}`)
      isProblem(t, response, 400, {
        errors: [{
          pointer: '/after',
          in: 'query',
          detail: 'is the cursor of another sort: take it from the Link header of a page by this one'
        }]
      })
    }
    isProblem(t, await get('/orders?status=paid&sort=total'), 400, {
      errors: [{ pointer: '/sort', in: 'query', detail: 'together with status must be created_at or -created_at' }]
    })
    isProblem(t, await get('/posts?category=k&sort=title'), 400)
    for (
      const query of [
        'sort=status',
        'sort=id;drop table users',
        'sort=--total',
        'sort=created_at,total',
        'sort=',
        'sort=__proto__',
        'sort=total&sort=total',
        'total=1.00',
        'status=lost',
        'status[]=paid',
        'user_id=x'
      ]
    ) t.equal((await get(`/orders?${query.replaceAll(' ', '%20')}`)).statusCode, 400, query)
  })

  await t.test('cursors that nobody was given are refused, or name a place', async (t) => {
    const of = (value: string | Uint8Array): string => Buffer.from(value).toString('base64url')
    for (const value of ['x', '', "1'; drop table orders; --", '1e5', 'NaN', `${'9'.repeat(19)}.00`, '1,5']) {
      const response = await get(`/orders?sort=total&after=total.${of(value)}.1`)
      isProblem(t, response, 400)
      t.strictSame(getPointers(response), ['/after'], value)
    }
    for (const value of ['x', '1.5', '999999999999999', '']) {
      isProblem(t, await get(`/orders?sort=created_at&after=created_at.${of(value)}.1`), 400)
    }
    for (const bytes of [of(new Uint8Array([0xff, 0xfe])), of('a\0'), 'Y', 'YW=', 'YX']) {
      isProblem(t, await get(`/users?sort=name&after=name.${bytes}.1`), 400)
      isProblem(t, await get(`/posts?sort=title&after=title.${bytes}.${'f'.repeat(24)}`), 400)
    }
    for (const name of ["O'Hara", '$where', '', '\u{1f600}', '%_', 'x'.repeat(200)]) {
      for (const sort of ['name', '-name']) {
        const response = await get(`/users?sort=${sort}&after=${sort}.${of(name)}.9999999999999999`)
        t.equal(response.statusCode, 200, `${sort} ${name}`)
      }
      t.equal((await get(`/posts?sort=title&after=title.${of(name)}.${'0'.repeat(24)}`)).statusCode, 200, name)
    }
    t.equal((await get('/users')).json<User[]>().length, 5)
  })
})
