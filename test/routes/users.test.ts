import t from 'tap'
import type { User, UserSummary, UserWithPosts } from '../../schemas/users.ts'
import { copyPosts, isProblem, getNext, onEachEngine, readPages, getPointers } from './engines.ts'

const iso = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/

onEachEngine(t, async (t, service) => {
  const { app, engine, get, send } = service
  let count = 0
  const addUser = async (name = 'Ada') =>
    (await send('POST', '/users', { email: `user${++count}@example.com`, name })).json<User>()

  await t.test('POST /users/', async (t) => {
    const response = await send('POST', '/users/', { email: 'ada@example.com', name: 'Ada 😀' })
    t.equal(response.statusCode, 201)
    const user = response.json<User>()
    t.match(user, { id: Number, email: 'ada@example.com', name: 'Ada 😀', created_at: iso, updated_at: iso })
    t.strictSame(Object.keys(user).sort(), ['created_at', 'email', 'id', 'name', 'updated_at'])
    t.equal(response.headers.location, `/users/${user.id}`)
    t.strictSame((await get(String(response.headers.location))).json(), user)

    const taken = await send('POST', '/users', { email: 'ada@example.com', name: 'Other' })
    isProblem(t, taken, 409, {
      detail: 'User with this email already exists',
      errors: [{ pointer: '/email', detail: 'User with this email already exists' }]
    })

    const invalid = await send('POST', '/users', { email: 'no', name: '', age: 5 })
    isProblem(t, invalid, 400)
    t.strictSame([...new Set(getPointers(invalid))], ['/age', '/email', '/name'], 'everything that is wrong at once')
    for (
      const body of [
        {},
        { email: 5, name: 'n' },
        { email: 'a@example.com', name: null },
        { email: 'a@example.com', name: 'nul \u0000' },
        { email: 'a@example.com', name: 'x'.repeat(201) },
        { email: 'a@example.com', name: '\ud800' },
        []
      ]
    ) {
      isProblem(t, await send('POST', '/users', body), 400)
    }
    t.equal(
      (await send('POST', '/users', { email: 'long@example.com', name: '😀'.repeat(200) })).statusCode,
      201,
      'length counts characters'
    )
    isProblem(
      t,
      await app.inject({ method: 'POST', url: '/users', headers: { 'content-type': 'text/plain' }, payload: 'x' }),
      415
    )
    isProblem(
      t,
      await app.inject({
        method: 'POST',
        url: '/users',
        headers: { 'content-type': 'application/json' },
        payload: '{'
      }),
      400
    )
    isProblem(t, await send('POST', '/users', { email: 'a@example.com', name: 'x'.repeat(1_100_000) }), 413)
    const method = await send('DELETE', '/users')
    isProblem(t, method, 405)
    t.match(method.headers.allow, /GET.*POST/)
  })

  // SQLite cannot be given a constraint later.
  if (engine === 'postgres') {
    await t.test('what only the database refuses is 422', async (t) => {
      const { id } = await addUser()
      await app.pg.query("alter table users add constraint users_polite_check check (name <> 'rude')")
      isProblem(t, await send('POST', '/users', { email: 'rude@example.com', name: 'rude' }), 422)
      isProblem(t, await send('PATCH', `/users/${id}`, { name: 'rude' }), 422)
    })
  }

  await t.test('GET /users/{id}', async (t) => {
    const user = await addUser()
    const response = await get(`/users/${user.id}/`)
    t.equal(response.statusCode, 200)
    t.strictSame(response.json(), user)
    isProblem(t, await get('/users/2147483647'), 404, { detail: 'User not found' })
    for (const id of ['0', '-1', 'abc', '1.5', '9007199254740992', '9'.repeat(30)]) {
      isProblem(t, await get(`/users/${id}`), 400)
    }
  })

  await t.test('PUT and PATCH /users/{id}', async (t) => {
    const other = await addUser()
    for (const method of ['PUT', 'PATCH'] as const) {
      const user = await addUser('Before')
      const renamed = await send(method, `/users/${user.id}`, { name: 'After' })
      t.equal(renamed.statusCode, 200)
      t.match(renamed.json(), { id: user.id, email: user.email, name: 'After', created_at: user.created_at })
      t.match((await send(method, `/users/${user.id}`, { email: `${method}@example.com` })).json(), {
        email: `${method}@example.com`,
        name: 'After'
      })
      t.match((await get(`/users/${user.id}`)).json(), { email: `${method}@example.com`, name: 'After' })
      isProblem(t, await send(method, `/users/${user.id}`, { email: other.email }), 409, {
        errors: [{ pointer: '/email', detail: 'User with this email already exists' }]
      })
      isProblem(t, await send(method, `/users/${user.id}`, {}), 400)
      isProblem(t, await send(method, `/users/${user.id}`, { id: 5 }), 400)
      isProblem(t, await send(method, '/users/2147483647', { name: 'x' }), 404, { detail: 'User not found' })
    }
  })

  await t.test('DELETE /users/{id}', async (t) => {
    const user = await addUser()
    const order = await send('POST', '/orders', {
      user_id: user.id,
      items: [{ product: 'p', quantity: 1, unit_price: '1.00' }]
    })
    t.equal(order.statusCode, 201)
    const refused = await send('DELETE', `/users/${user.id}`)
    isProblem(t, refused, 409, { detail: 'User still has orders' })
    t.notOk(refused.json().errors, 'there is no field to point at')
    t.equal((await get(`/users/${user.id}`)).statusCode, 200)

    const free = await addUser()
    const response = await send('DELETE', `/users/${free.id}`)
    t.equal(response.statusCode, 204)
    t.equal(response.body, '')
    isProblem(t, await get(`/users/${free.id}`), 404)
    isProblem(t, await send('DELETE', `/users/${free.id}`), 404, { detail: 'User not found' })
    isProblem(t, await send('DELETE', '/users/abc'), 400)
  })

  await t.test('GET /users/', async (t) => {
    const user = await addUser('Writer')
    await addUser('Reader')
    await copyPosts(service, user.id, 3)
    const all = await get('/users')
    t.equal(all.statusCode, 200)
    t.equal(all.headers['content-type'], 'application/json; charset=utf-8')
    t.equal(getNext(all), undefined)
    const ids = all.json<User[]>().map(({ id }) => id)
    t.strictSame(ids, ids.toSorted((a, b) => a - b), 'ordered by id')

    const [found] = (await get(`/users/?email=${user.email}`)).json<UserWithPosts[]>()
    t.match(found, {
      id: user.id,
      posts: [{ title: 'Post 2', author_id: user.id, created_at: '2025-01-01T00:00:02.000Z' }, { title: 'Post 1' }, {
        title: 'Post 0'
      }]
    })
    t.strictSame(Object.keys(found?.posts[0] ?? {}).sort(), ['author_id', 'category', 'created_at', 'id', 'title'])
    t.strictSame((await get('/users?email=nobody@example.com')).json(), [])

    const pages = await readPages<User>(service, '/users?limit=3')
    t.ok(pages.length > 2)
    t.ok(pages.slice(0, -1).every(({ length }) => length === 3))
    t.strictSame(pages.flat().map(({ id }) => id), ids, 'every user once')
    t.strictSame((await get('/users?limit=2&skip=1')).json<User[]>().map(({ id }) => id), ids.slice(1, 3))
    t.match(
      getNext(await get('/users?limit=2&skip=1')),
      /^\/users\?limit=2&after=\d+$/,
      'the cursor takes the place of skip'
    )

    isProblem(t, await get('/users?skip=1&after=1'), 400, {
      errors: [{ pointer: '/skip', in: 'query', detail: 'cannot be combined with after' }]
    })
    for (const query of ['limit=0', 'limit=101', 'limit=x', 'skip=-1', 'skip=10001', 'after=x', 'after=0']) {
      isProblem(t, await get(`/users?${query}`), 400)
    }
    t.equal((await get('/users?skip=10000')).statusCode, 200)
  })

  await t.test('GET /users/summary', async (t) => {
    const users = app.mongo.db?.collection<{ _id: number; name: string; email: string; _v: number }>('users')
    await users?.insertMany(
      [1, 2, 3].map((id) => ({ _id: id, name: `User ${id}`, email: `${id}@example.com`, _v: id }))
    )
    const author = await addUser()
    await users?.insertOne({ _id: author.id, name: author.name, email: author.email, _v: 9 })
    await send('POST', '/posts', { title: 't', content: 'c', category: 'k', author_id: author.id })
    const response = await get('/users/summary')
    t.equal(response.statusCode, 200)
    t.equal(response.headers['content-type'], 'application/json; charset=utf-8')
    t.strictSame(response.json<UserSummary[]>().find(({ id }) => id === author.id), {
      id: author.id,
      name: author.name,
      email: author.email,
      post_count: 1
    })
    const pages = await readPages<UserSummary>(service, '/users/summary/?limit=2')
    t.strictSame(pages.map((page) => page.map(({ id }) => id)), [[1, 2], [3, author.id]])
    t.strictSame((await get('/users/summary?skip=3')).json<UserSummary[]>().map(({ id }) => id), [author.id])
    isProblem(t, await get('/users/summary?after=x'), 400)
  })
})
