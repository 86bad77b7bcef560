import type { LightMyRequestResponse as Response } from 'fastify'
import t from 'tap'
import type { App } from '../../app.ts'
import { mongoDatabase } from '../../plugins/mongo/index.ts'
import { PAGE_BOUNDS, toRowPage } from '../../plugins/paging/page.ts'
import { build } from '../helper.ts'
import { isProblem, onEachEngine } from './engines.ts'

/** All items of a list, page by page. */
async function readAll<Item> (app: App, first: string): Promise<{ items: Item[]; sizes: number[] }> {
  const items: Item[] = []
  const sizes: number[] = []
  let url: string | undefined = first
  while (url !== undefined) {
    const response: Response = await app.inject(url)
    items.push(...response.json<Item[]>())
    sizes.push(response.body.length)
    url = /<([^>]+)>/.exec(String(response.headers['link'] ?? ''))?.[1]
  }
  return { items, sizes }
}

t.test('pages of long posts end early, and nothing is left out', async (t) => {
  const app = await build(t, { settings: { PROJECTIONS: false } })
  const posts = Array.from({ length: 30 }, (_, i) => ({
    title: `Post ${i}`,
    content: 'x'.repeat(i % 3 === 0 ? 100 : 100_000),
    category: 'long',
    author_id: 1,
    created_at: new Date(1_700_000_000_000 + i),
    updated_at: new Date(0)
  }))
  await mongoDatabase(app).collection('posts').insertMany(posts)
  for (const url of ['/posts', '/posts/by-category/long', '/posts?limit=7']) {
    const { items, sizes } = await readAll<{ title: string }>(app, url)
    t.strictSame(items.map(({ title }) => title), posts.map(({ title }) => title).toReversed(), url)
    t.ok(sizes.every((size) => size < PAGE_BOUNDS.characters + 101_000), url)
    t.ok(sizes.length > 1, url)
  }
  t.equal((await readAll(app, '/posts/summaries')).sizes.length, 1, 'summaries are short')
  t.equal((await app.inject('/posts?skip=0&limit=30')).json<unknown[]>().length, 30, 'a page with skip is full')
  await mongoDatabase(app).collection('posts').updateMany({}, { $set: { content: '\u{1f600}'.repeat(100_000) } })
  isProblem(t, await app.inject('/posts?skip=0&limit=30'), 400, { type: '/docs/problems#invalid-request' })
  isProblem(t, await app.inject('/posts/by-category/long?skip=1&limit=100'), 400)
  t.equal((await app.inject('/posts?skip=2&limit=5')).json<unknown[]>().length, 5)
  t.equal((await readAll(app, '/posts')).items.length, 30)
})

t.test('a page beyond one reply of MongoDB ends early too', async (t) => {
  const app = await build(t, { settings: { PROJECTIONS: false } })
  const content = '\u{1f600}'.repeat(100_000)
  const posts = Array.from(
    { length: 60 },
    (_, i) => ({
      title: `Post ${i}`,
      content,
      category: 'huge',
      author_id: 1,
      created_at: new Date(1_700_000_000_000 + i),
      updated_at: new Date(0)
    })
  )
  await mongoDatabase(app).collection('posts').insertMany(posts)
  t.equal((await app.inject('/posts?limit=100')).json<unknown[]>().length, 6)
  isProblem(t, await app.inject('/posts?limit=100&skip=0'), 400)
  t.equal((await readAll(app, '/posts/by-category/huge')).items.length, 60)
})

onEachEngine(t, async (t, { app, send }) => {
  const user = (await send('POST', '/users', { email: 'large@example.com', name: 'n' })).json<{ id: number }>()
  const items = Array.from({ length: 100 }, () => ({ product: 'p', quantity: 1, unit_price: '1.00' }))
  for (let i = 0; i < 45; i++) await send('POST', '/orders', { user_id: user.id, items })

  await t.test('pages of orders with many items end early, and nothing is left out', async (t) => {
    for (const url of ['/orders', `/orders?user_id=${user.id}`]) {
      const { items: orders, sizes } = await readAll<{ id: number; items: unknown[] }>(app, url)
      t.equal(new Set(orders.map(({ id }) => id)).size, 45)
      t.ok(orders.every((order) => order.items.length === 100), 'no order without some of its items')
      t.ok(sizes.length >= 5)
    }
    t.equal((await app.inject('/orders?skip=0&limit=20')).json<unknown[]>().length, 20)
    isProblem(t, await app.inject('/orders?skip=0&limit=100'), 400)
    t.equal((await app.inject('/orders?skip=40')).json<unknown[]>().length, 5)
  })
})

t.test('where a page ends', async (t) => {
  const page = { limit: 3 }
  const rows = PAGE_BOUNDS.rows + 1
  const getCursor = (n: number) => String(n)
  t.same(toRowPage([1, 2], rows, page, getCursor), { items: [1], next: '1' }, 'the last one may be incomplete')
  t.match(toRowPage([1], rows, page, getCursor), { isTooLarge: true }, 'none of it would be complete')
  t.same(toRowPage([1, 2, 3, 4], rows, page, getCursor), { items: [1, 2, 3], next: '3' })
  t.same(toRowPage([1, 2, 3], rows - 1, page, getCursor), { items: [1, 2, 3], next: undefined })
  t.match(toRowPage([1, 2], 4 * PAGE_BOUNDS.rows + 1, { limit: 3, skip: 0 }, getCursor), { isTooLarge: true })
})
