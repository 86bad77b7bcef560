import { Code, MongoNetworkError, ObjectId, type Db, type Document } from 'mongodb'
import t from 'tap'
import { prepareDatabase } from '../../plugins/mongo/prepare.ts'
import { TextItem } from '../../plugins/mongo/json/item-reader.ts'
import { createPostRepository, type PostDocument, type StoredPost } from '../../plugins/repositories/posts.ts'
import { createUserSummaryRepository } from '../../plugins/repositories/user-summaries.ts'
import { openMongo, withFailingCommands, withoutCommands } from './mongo-handles.ts'

async function addPosts (db: Db, documents: Array<Partial<PostDocument>>): Promise<PostDocument[]> {
  const posts = documents.map((document, n): PostDocument => ({
    _id: new ObjectId(),
    title: `Post ${n}`,
    content: 'text',
    category: 'c',
    author_id: 1,
    created_at: new Date(n * 1000),
    updated_at: new Date(n * 1000),
    ...document
  }))
  await db.collection<PostDocument>('posts').insertMany(posts)
  return posts
}

t.test('posts: create, read, change, delete', async (t) => {
  const { db } = await openMongo(t, prepareDatabase)
  const posts = createPostRepository(db)
  const post = await posts.create({ title: 'A', content: 'text', category: 'c', author_id: 7, slug: 'a' })
  t.match(post, {
    id: /^[0-9a-f]{24}$/,
    title: 'A',
    content: 'text',
    category: 'c',
    author_id: 7,
    slug: 'a',
    created_at: Date
  })
  t.strictSame(await posts.getById(post.id), post)
  t.equal(await posts.getById('f'.repeat(24)), null)

  const changed = await posts.update(post.id, { title: 'B' })
  t.match(changed, { title: 'B', content: 'text', slug: 'a', created_at: post.created_at })
  t.notOk('slug' in (await posts.update(post.id, { slug: null }) ?? {}), 'null takes the slug away')
  t.match(await posts.update(post.id, { slug: 'b', author_id: 8 }), { slug: 'b', author_id: 8, title: 'B' })
  t.equal(await posts.update('f'.repeat(24), { title: 'C' }), null)

  await posts.create({ title: 'no slug', content: 'text', category: 'c', author_id: 7 })
  await posts.create({ title: 'no slug either', content: 'text', category: 'c', author_id: 7 })
  await t.rejects(posts.create({ title: 'taken', content: 'text', category: 'c', author_id: 7, slug: 'b' }), {
    code: 11_000
  })
  await t.rejects(
    posts.create({ title: '', content: 'text', category: 'c', author_id: 7 }),
    { code: 121 },
    'the validator is the last line'
  )

  t.equal(await posts.delete(post.id), true)
  t.equal(await posts.delete(post.id), false)
})

t.test('one post by its id: the same by raw bytes and by the driver', async (t) => {
  const { db, commands } = await openMongo(t, prepareDatabase)
  const added = await addPosts(db, [
    { version: 7, slug: 'a-1', title: '"\\ 😀', content: `${'é'.repeat(1000)}\n\u2028` },
    { created_at: new Date('0001-01-01T00:00:00Z'), version: 12 },
    {}
  ])
  commands.length = 0
  for (const { _id } of added) {
    const id = _id.toHexString()
    const item = await createPostRepository(db).read(id)
    if (!(item instanceof TextItem)) throw new TypeError('a plain database is read as text')
    const { version, ...post } = await createPostRepository(withoutCommands(db)).read(id) as StoredPost
    t.strictSame(JSON.parse(item.json), JSON.parse(JSON.stringify(post)))
    t.equal(item.version, version)
  }
  t.equal(commands.length, 2 * added.length)
  t.equal(await createPostRepository(db).read(new ObjectId().toHexString()), null)
  const odd = { $set: { code: new Code('x', { a: 1 }), regex: /x/i } }
  await db.collection('posts').updateOne({ _id: added[0]?._id ?? new ObjectId() }, odd, {
    bypassDocumentValidation: true
  })
  t.match(await createPostRepository(db).read(String(added[0]?._id)), { version: 7 }, 'other fields are not looked at')
  for (const fault of [{ version: 1.5 }, { version: -1 }, { author_id: 'me' }, { title: 3 }]) {
    const _id = new ObjectId()
    await addPosts(db, [{ _id }])
    await db.collection('posts').updateOne({ _id }, { $set: fault }, { bypassDocumentValidation: true })
    await t.rejects(createPostRepository(db).read(String(_id)), { code: 'DOCUMENT_STRANGE', id: _id })
  }
})

t.test('lists: one command each, the same by raw bytes and by the driver', async (t) => {
  const { db, commands } = await openMongo(t, prepareDatabase)
  const documents = await addPosts(db, [
    { title: 'quotes " and \\ and 😀' },
    { slug: 'with-slug' },
    { category: 'other' },
    { created_at: new Date('2025-06-01T12:34:56.789Z') },
    { author_id: 2 ** 31 - 1 }
  ])
  const newest = documents.toSorted((a, b) => Number(b.created_at) - Number(a.created_at)).map(({ _id }) =>
    _id.toHexString()
  )
  const raw = createPostRepository(db)
  const decoded = createPostRepository(withoutCommands(db))
  for (
    const read of [
      (posts: typeof raw) => posts.list({ limit: 100 }),
      (posts: typeof raw) => posts.list({ limit: 2, skip: 1 }),
      (posts: typeof raw) => posts.summaries({ limit: 3 }),
      (posts: typeof raw) => posts.byCategory('c', { limit: 2 }),
      (posts: typeof raw) => posts.byCategory('nobody', { limit: 2 })
    ]
  ) {
    commands.length = 0
    const page = await read(raw)
    t.equal(commands.length, 1)
    t.strictSame(
      page.items,
      JSON.parse(String(page.json)).map((item: Document) => ({
        ...item,
        created_at: new Date(item.created_at),
        ...(item.updated_at === undefined ? {} : { updated_at: new Date(item.updated_at) })
      })),
      'items are what the text says'
    )
    commands.length = 0
    const same = await read(decoded)
    t.equal(commands.length, 1)
    t.equal(same.json, undefined)
    t.strictSame({ items: same.items, next: same.next }, { items: page.items, next: page.next })
  }
  t.strictSame((await raw.list({ limit: 100 })).items.map(({ id }) => id), newest)
  t.strictSame(Object.keys((await raw.summaries({ limit: 1 })).items[0] ?? {}).sort(), [
    'author_id',
    'category',
    'created_at',
    'id',
    'title'
  ])
})

t.test('cursors visit every post once, also where moments are shared', async (t) => {
  const { db } = await openMongo(t, prepareDatabase)
  const documents = await addPosts(
    db,
    Array.from(
      { length: 23 },
      (_, n) => ({ created_at: new Date(Math.floor(n / 7) * 1000), category: n % 2 === 0 ? 'even' : 'odd' })
    )
  )
  for (const handle of [db, withoutCommands(db)]) {
    const posts = createPostRepository(handle)
    for (
      const [read, expected] of [
        [(after?: string) => posts.list({ limit: 5, ...(after === undefined ? {} : { after }) }), documents],
        [(after?: string) => posts.summaries({ limit: 4, ...(after === undefined ? {} : { after }) }), documents],
        [
          (after?: string) => posts.byCategory('odd', { limit: 3, ...(after === undefined ? {} : { after }) }),
          documents.filter(({ category }) => category === 'odd')
        ]
      ] as const
    ) {
      const seen: string[] = []
      let after: string | undefined
      do {
        const page = await read(after)
        seen.push(...page.items.map(({ id }) => id))
        after = page.next
      } while (after !== undefined)
      const order = expected.toSorted((a, b) =>
        Number(b.created_at) - Number(a.created_at) || b._id.toHexString().localeCompare(a._id.toHexString())
      )
      t.strictSame(seen, order.map(({ _id }) => _id.toHexString()))
    }
  }
})

t.test('lists are read in the order of their index', async (t) => {
  const { db, commands } = await openMongo(t, prepareDatabase)
  await addPosts(db, Array.from({ length: 500 }, (_, n) => ({ category: `c${n % 5}`, author_id: 1 + n % 7 })))
  const explain = async (read: () => Promise<unknown>) => {
    commands.length = 0
    await read()
    const { command } = commands[0] ?? {}
    const { $db, lsid, $clusterTime, $readPreference, readConcern, ...query } = command as Document
    return await db.command({ explain: query, verbosity: 'executionStats' })
  }
  const posts = createPostRepository(db)
  const next = (await posts.byCategory('c1', { limit: 10 })).next ?? ''
  const last = (await posts.byCategory('c1', { limit: 50, sort: '-title' })).next ?? ''
  const declared: Array<[string, object, string]> = []
  for (
    const [request, index] of [
      [{ sort: 'created_at' }, 'posts_created_at_idx'],
      [{ sort: 'title' }, 'posts_title_idx'],
      [{ sort: '-title' }, 'posts_title_idx'],
      [{ author_id: 1 }, 'posts_author_id_created_at_idx'],
      [{ category: 'c1', sort: 'created_at' }, 'posts_category_created_at_idx']
    ] as const
  ) {
    const name = JSON.stringify(request)
    declared.push([name, request, index])
    declared.push([`${name} after`, { ...request, after: (await posts.list({ limit: 50, ...request })).next }, index])
  }
  for (
    const [name, read, index] of [
      ['list', () => posts.list({ limit: 10 }), 'posts_created_at_idx'],
      ['list after', () => posts.list({ limit: 10, after: next }), 'posts_created_at_idx'],
      ['by category', () => posts.byCategory('c1', { limit: 10 }), 'posts_category_created_at_idx'],
      ['by category after', () => posts.byCategory('c1', { limit: 10, after: next }), 'posts_category_created_at_idx'],
      [
        'of a category by title',
        () => posts.byCategory('c1', { limit: 10, sort: 'title' }),
        'posts_category_title_idx'
      ],
      [
        'and after',
        () => posts.byCategory('c1', { limit: 10, sort: '-title', after: last }),
        'posts_category_title_idx'
      ],
      ['summaries by title', () => posts.summaries({ limit: 10, sort: '-title' }), 'posts_title_idx'],
      ...declared.map(([name, request, index]) => [name, () => posts.list({ limit: 10, ...request }), index] as const)
    ] as const
  ) {
    const plan = await explain(read)
    const text = JSON.stringify(plan.queryPlanner.winningPlan)
    t.match(text, new RegExp(`"indexName":"${index}"`), name)
    t.notMatch(text, /"stage":"(SORT|COLLSCAN)"/, `${name} sorts nothing in memory`)
    t.ok(plan.executionStats.totalKeysExamined <= 25, `${name} looks at little more than it returns`)
  }
  const { executionStats } = await explain(() => posts.summaries({ limit: 10 }))
  t.equal(executionStats.totalDocsExamined, 0, 'summaries come from the index alone')
})

t.test('a server that went away is asked once more by the driver; other errors are not repeated', async (t) => {
  const { db } = await openMongo(t, prepareDatabase)
  const [post] = await addPosts(db, [{}])
  let error: Error = new MongoNetworkError('connection closed')
  const failing = withFailingCommands(db, () => error)
  const posts = createPostRepository(failing)
  t.equal((await posts.list({ limit: 5 })).items.length, 1)
  t.match(await posts.read(String(post?._id)), { title: 'Post 0' })
  error = new TypeError('a document lacks a required field')
  await t.rejects(posts.list({ limit: 5 }), TypeError)
  await t.rejects(posts.read(String(post?._id)), TypeError)
})

t.test('user summaries: counted for the page only, deleted users left out', async (t) => {
  const { db, commands } = await openMongo(t, prepareDatabase)
  await db.collection<Document & { _id: number }>('users').insertMany([1, 2, 3, 4, 5].map((id) => ({
    _id: id,
    _v: id,
    ...(id === 3 ? { _deleted: true } : { name: `User ${id}`, email: `${id}@example.com` })
  })))
  await addPosts(db, [1, 1, 2, 3, 5, 5, 5, 99].map((author_id) => ({ author_id })))
  const expected = [[1, 2], [2, 1], [4, 0], [5, 3]].map(([id, post_count]) => ({
    id,
    name: `User ${id}`,
    email: `${id}@example.com`,
    post_count
  }))
  for (const handle of [db, withoutCommands(db)]) {
    const summaries = createUserSummaryRepository(handle)
    commands.length = 0
    const all = await summaries.list({ limit: 100 })
    t.strictSame(commands.map(({ commandName }) => commandName), ['find', 'aggregate'])
    t.strictSame(all.items, expected)
    t.equal(all.next, undefined)
    const first = await summaries.list({ limit: 2 })
    t.strictSame([first.items, first.next], [expected.slice(0, 2), '2'])
    t.strictSame((await summaries.list({ limit: 2, after: 2 })).items, expected.slice(2))
    t.strictSame((await summaries.list({ limit: 2, skip: 3 })).items, expected.slice(3))
  }
  t.strictSame((await createUserSummaryRepository(db).list({ limit: 2, after: 5 })).items, [])
  commands.length = 0
  await createUserSummaryRepository(db).list({ limit: 2 })
  const { pipeline } = (commands[1]?.command ?? {}) as Document
  const plan = await db.command({ explain: { aggregate: 'posts', pipeline, cursor: {} }, verbosity: 'executionStats' })
  const { executionStats } = (plan['stages']?.[0]?.$cursor ?? plan) as Document
  t.equal(executionStats.totalDocsExamined, 0, 'posts are counted over the index alone')
  t.ok(executionStats.totalKeysExamined <= 4, 'of the users of the page')
})
