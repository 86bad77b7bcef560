import t from 'tap'
import type { Post } from '../../schemas/posts.ts'
import type { User } from '../../schemas/users.ts'
import { isProblem, getNext, onEachEngine, readPages, getPointers } from './engines.ts'

const absent = 'f'.repeat(24)

onEachEngine(t, async (t, service) => {
  const { app, get, send } = service
  const author_id = (await send('POST', '/users', { email: 'author@example.com', name: 'Author' })).json<User>().id
  const addPost = async (more: object = {}) =>
    (await send('POST', '/posts', { title: 'Title', content: 'Content', category: 'notes', author_id, ...more })).json<
      Post
    >()

  await t.test('POST /posts/', async (t) => {
    const response = await send('POST', '/posts/', {
      title: 'On "engines" 😀',
      content: 'line\nline',
      category: 'notes',
      author_id,
      slug: 'on-engines'
    })
    t.equal(response.statusCode, 201)
    const post = response.json<Post>()
    t.match(post, {
      id: /^[0-9a-f]{24}$/,
      title: 'On "engines" 😀',
      content: 'line\nline',
      category: 'notes',
      author_id,
      slug: 'on-engines',
      created_at: /Z$/,
      updated_at: /Z$/
    })
    t.equal(response.headers.location, `/posts/${post.id}`)
    t.strictSame((await get(`/posts/${post.id}`)).json(), post)
    t.notOk('slug' in await addPost(), 'a post without a slug has none')

    isProblem(
      t,
      await send('POST', '/posts', { title: 't', content: 'c', category: 'k', author_id, slug: 'on-engines' }),
      409,
      {
        detail: 'Post with this slug already exists',
        errors: [{ pointer: '/slug', detail: 'Post with this slug already exists' }]
      }
    )
    isProblem(
      t,
      await send('POST', '/posts', {
        title: 't',
        content: 'c',
        category: 'k',
        author_id: 2_147_483_647,
        slug: 'orphan'
      }),
      409,
      { detail: 'User not found', errors: [{ pointer: '/author_id', detail: 'User not found' }] }
    )
    t.equal(await app.mongo.db?.collection('posts').countDocuments({ slug: 'orphan' }), 0)

    const invalid = await send('POST', '/posts', {
      title: '',
      content: 5,
      category: 'x'.repeat(51),
      author_id: '1',
      slug: 'No Slug',
      id: absent
    })
    isProblem(t, invalid, 400)
    t.strictSame([...new Set(getPointers(invalid))], ['/author_id', '/category', '/content', '/id', '/slug', '/title'])
    for (
      const body of [
        {},
        { title: 't', content: 'c', category: 'k' },
        { title: 'nul\u0000', content: 'c', category: 'k', author_id },
        { title: 't', content: '', category: 'k', author_id },
        { title: 't', content: 'c', category: 'k', author_id, slug: null }
      ]
    ) {
      isProblem(t, await send('POST', '/posts', body), 400)
    }
    isProblem(
      t,
      await app.inject({
        method: 'POST',
        url: '/posts',
        headers: { 'content-type': 'application/xml' },
        payload: '<a/>'
      }),
      415
    )
  })

  await t.test('what only the validator of the collection refuses is 422', async (t) => {
    const [collection] = await app.mongo.db?.listCollections({ name: 'posts' }).toArray() ?? []
    const { validator } =
      (collection as unknown as { options: { validator: { $jsonSchema: { properties: object } } } }).options
    const polite = {
      $jsonSchema: {
        ...validator.$jsonSchema,
        properties: { ...validator.$jsonSchema.properties, title: { bsonType: 'string', pattern: '^(?!rude)' } }
      }
    }
    await app.mongo.db?.command({ collMod: 'posts', validator: polite })
    isProblem(
      t,
      await send('POST', '/posts', { title: 'rude', content: 'c', category: 'k', author_id }),
      422,
      { errors: [{ pointer: '/title' }] } as object
    )
    const { id } = await addPost()
    isProblem(t, await send('PATCH', `/posts/${id}`, { title: 'rude' }), 422)
    t.equal((await get(`/posts/${id}`)).json<Post>().title, 'Title')
    await app.mongo.db?.command({ collMod: 'posts', validator })
  })

  await t.test('GET /posts/{id}', async (t) => {
    isProblem(t, await get(`/posts/${absent}`), 404, { detail: 'Post not found' })
    for (const id of ['1', absent.toUpperCase(), `${absent}0`, 'g'.repeat(24)]) {
      isProblem(t, await get(`/posts/${id}`), 400)
    }
    isProblem(t, await send('POST', `/posts/${absent}`, {}), 405)
  })

  await t.test('PUT and PATCH /posts/{id}', async (t) => {
    const other = (await send('POST', '/users', { email: 'other@example.com', name: 'Other' })).json<User>().id
    const taken = await addPost({ slug: 'taken' })
    for (const method of ['PUT', 'PATCH'] as const) {
      const post = await addPost({ slug: `slug-${method.toLowerCase()}` })
      const changed = await send(method, `/posts/${post.id}`, { title: 'New' })
      t.equal(changed.statusCode, 200)
      t.match(changed.json(), { ...post, title: 'New', updated_at: /Z$/ })
      t.match((await send(method, `/posts/${post.id}`, { author_id: other })).json(), {
        author_id: other,
        title: 'New'
      })
      t.notOk('slug' in (await send(method, `/posts/${post.id}`, { slug: null })).json<Post>())
      isProblem(t, await send(method, `/posts/${post.id}`, { slug: taken.slug }), 409, {
        errors: [{ pointer: '/slug', detail: 'Post with this slug already exists' }]
      })
      isProblem(t, await send(method, `/posts/${post.id}`, { author_id: 2_147_483_647 }), 409, {
        errors: [{ pointer: '/author_id', detail: 'User not found' }]
      })
      isProblem(t, await send(method, `/posts/${post.id}`, {}), 400)
      isProblem(t, await send(method, `/posts/${post.id}`, { created_at: 'now' }), 400)
      isProblem(t, await send(method, `/posts/${absent}`, { title: 'x' }), 404, { detail: 'Post not found' })
      isProblem(t, await send(method, '/posts/1', { title: 'x' }), 400)
      t.match((await get(`/posts/${post.id}`)).json(), { title: 'New', author_id: other, content: 'Content' })
    }
  })

  await t.test('DELETE /posts/{id}', async (t) => {
    const { id } = await addPost()
    const response = await send('DELETE', `/posts/${id}`)
    t.equal(response.statusCode, 204)
    t.equal(response.body, '')
    isProblem(t, await get(`/posts/${id}`), 404)
    isProblem(t, await send('DELETE', `/posts/${id}`), 404, { detail: 'Post not found' })
    isProblem(t, await send('DELETE', '/posts/1'), 400)
  })

  await t.test('GET /posts/, /posts/summaries and /posts/by-category/{category}', async (t) => {
    await app.mongo.db?.collection('posts').deleteMany({})
    for (let n = 0; n < 7; n++) {
      await addPost({
        title: `Post ${n}`,
        category: n % 2 === 0 ? 'even' : 'odd / ?',
        ...(n === 3 ? { slug: 'three' } : {})
      })
    }
    const newest = ['Post 6', 'Post 5', 'Post 4', 'Post 3', 'Post 2', 'Post 1', 'Post 0']
    const all = await get('/posts')
    t.equal(all.statusCode, 200)
    t.equal(all.headers['content-type'], 'application/json; charset=utf-8')
    const posts = all.json<Post[]>()
    t.strictSame(posts.map(({ title }) => title), newest)
    t.strictSame(posts[3], (await get(`/posts/${posts[3]?.id}`)).json(), 'a list shows what the resource shows')

    const summaries = (await get('/posts/summaries')).json<Post[]>()
    t.strictSame(
      summaries,
      posts.map(({ id, title, category, author_id, created_at }) => ({ id, title, category, author_id, created_at }))
    )
    const odd = (await get(`/posts/by-category/${encodeURIComponent('odd / ?')}`)).json<Post[]>()
    t.strictSame(odd.map(({ title }) => title), ['Post 5', 'Post 3', 'Post 1'])
    t.strictSame((await get('/posts/by-category/nobody')).json(), [])
    isProblem(t, await get(`/posts/by-category/${'x'.repeat(51)}`), 400)

    for (
      const [path, expected] of [['/posts', posts], ['/posts/summaries/', summaries], [
        `/posts/by-category/${encodeURIComponent('odd / ?')}`,
        odd
      ]] as const
    ) {
      const pages = await readPages<Post>(service, `${path}?limit=2`)
      t.strictSame(pages.map(({ length }) => length), expected.length === 3 ? [2, 1] : [2, 2, 2, 1], path)
      t.strictSame(pages.flat(), expected)
      t.strictSame((await get(`${path}?limit=1&skip=1`)).json(), expected.slice(1, 2))
      t.match(getNext(await get(`${path}?limit=1`)), /\?limit=1&after=\d{13}_[0-9a-f]{24}$/)
      for (
        const query of [
          'after=x',
          `after=1_${absent}&skip=1`,
          'limit=0',
          'skip=10001',
          `after=${'9'.repeat(16)}_${absent}`
        ]
      ) isProblem(t, await get(`${path}?${query}`), 400)
    }
  })
})
