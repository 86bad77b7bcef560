// What every generated client has to do with the live service. The programs beside this file say how each does it.
export interface Answer<T> {
  status: number
  data?: T | undefined
  problem?: { type: string; status: number } | undefined
  link?: string | null | undefined
}

export interface Api {
  createUser: (body: { email: string; name: string }) => Promise<Answer<{ id: number; name: string }>>
  getUser: (id: number) => Promise<Answer<{ id: number }>>
  listUsers: (query: { limit: number; after?: string }) => Promise<Answer<Array<{ id: number; name: string }>>>
  createOrder: (body: OrderBody) => Promise<Answer<{ total: string }>>
  createPost: (body: PostBody) => Promise<Answer<{ id: string; content: string }>>
}

interface OrderBody {
  user_id: number
  items: Array<{ product: string; quantity: number; unit_price: string }>
}

interface PostBody {
  title: string
  content: string
  category: string
  author_id: number
}

export const origin = process.env['ORIGIN'] ?? ''

/** Creates with an emoji, twice the same, a page by its Link, an order, an error. */
export async function useApi (api: Api): Promise<void> {
  const run = Math.random().toString(36).slice(2)
  const name = 'Zoë 😀 &<"\\'
  const first = await api.createUser({ email: `${run}-1@example.com`, name })
  expect('create', [first.status, first.data?.name], [201, name])
  const again = await api.createUser({ email: `${run}-1@example.com`, name })
  expect('duplicate', [again.status, again.problem?.type], [409, '/docs/problems#duplicate'])
  const second = await api.createUser({ email: `${run}-2@example.com`, name: '李' })
  await followPages(api, [first.data?.id, second.data?.id])
  const items = [{ product: '✒️ pen', quantity: 3, unit_price: '1.20' }]
  const order = await api.createOrder({ user_id: second.data?.id ?? 0, items })
  expect('order', [order.status, order.data?.total], [201, '3.60'])
  const content = 'Tab\tand line\n👩‍👩‍👧'
  const post = await api.createPost({ title: 'On 😀', content, category: 'a/b c', author_id: second.data?.id ?? 0 })
  expect('post', [post.status, post.data?.content], [201, content])
  const missing = await api.getUser(2_147_483_647)
  expect('error', [missing.status, missing.problem?.type], [404, '/docs/problems#not-found'])
  const wrong = await api.createUser({ email: 'x', name: '' }).catch(() => undefined)
  // A client that checks what it sends refuses this by itself.
  if (wrong !== undefined) expect('refused', [wrong.status, wrong.problem?.status], [400, 400])
}

async function followPages (api: Api, wanted: Array<number | undefined>): Promise<void> {
  const seen: number[] = []
  let after: string | undefined
  do {
    const page = await api.listUsers({ limit: 1, ...(after === undefined ? {} : { after }) })
    seen.push(...(page.data ?? []).map(({ id }) => id))
    const [, next] = /[?&]after=([^&>]+)[^>]*>; rel="next"/.exec(page.link ?? '') ?? []
    after = next
  } while (after !== undefined)
  for (const id of wanted) expect('page', seen.includes(id ?? 0), true)
}

function expect (what: string, found: unknown, wanted: unknown): void {
  const [one, other] = [JSON.stringify(found), JSON.stringify(wanted)]
  if (one !== other) throw new Error(`${what}: ${one} instead of ${other}`)
}
