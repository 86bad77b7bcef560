import t, { type Test } from 'tap'
import type { Settings } from '../../schemas/settings.ts'
import { build, engines, comesTrue } from '../helper.ts'

type Request = [method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE', url: string, payload?: object]

const item = { product: 'Pencil', quantity: 3, unit_price: '0.10' }
const ada = { email: 'ada@example.com', name: 'Ada' }
const requests: Request[] = [
  ['POST', '/users/', ada],
  ['POST', '/users/', { email: 'bob@example.com', name: 'Bob\u0301 😀' }],
  // Ids are compared as well, so all users come before the first refusal: PostgreSQL never uses a refused id again.
  ['POST', '/users/', { email: 'eve@example.com', name: 'Eve' }],
  ['POST', '/users/', ada],
  ['POST', '/users/', { email: 'x@example.com', name: 'nul\0' }],
  ['POST', '/users/', { email: 'x@example.com' }],
  ['GET', '/users/1'],
  ['GET', '/users/99'],
  ['GET', '/users/x'],
  ['GET', '/users/?limit=1'],
  ['GET', '/users/?skip=1'],
  ['GET', '/users/?email=bob@example.com'],
  ['GET', '/users/?after=1'],
  ['PUT', '/users/1', { name: 'Ada L.' }],
  ['PATCH', '/users/2', { email: 'ada@example.com' }],
  ['PATCH', '/users/99', { name: 'nobody' }],
  ['PUT', '/users/1', {}],
  ['POST', '/orders/', { user_id: 1, items: [item, { ...item, quantity: 10_000, unit_price: '99999.99' }] }],
  ['POST', '/orders/', { user_id: 2, items: [item] }],
  ['POST', '/orders/', { user_id: 99, items: [item] }],
  ['POST', '/orders/', { user_id: 1, items: [] }],
  ['GET', '/orders/1'],
  ['GET', '/orders/?user_id=1'],
  ['GET', '/orders/?limit=1'],
  ['GET', '/orders/99'],
  ['DELETE', '/users/1'],
  ['POST', '/posts/', { title: 'One', content: 'x'.repeat(10), category: 'c', author_id: 2 }],
  ['POST', '/posts/', { title: 'Two', content: 'x'.repeat(25), category: 'c', author_id: 2 }],
  ['POST', '/posts/', { title: 'None', content: 'x', category: 'c', author_id: 99 }],
  ['DELETE', '/users/3'],
  ['DELETE', '/users/3']
]

/** What clients see, without what differs from run to run. */
function normal (text: string): string {
  return text.replaceAll(/"[0-9a-f]{24}"/g, '"<object id>"')
    .replaceAll(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, '<time>')
    .replaceAll(/"instance":"[^"]+"/g, '"instance":"<request>"')
    .replaceAll(/\d{13}_\w+/g, '<cursor>')
}

async function walk (t: Test, settings: Partial<Settings>): Promise<Record<string, string>> {
  const app = await build(t, { settings })
  const answers: Record<string, string> = {}
  const ask = async (method: Request[0], url: string, payload?: object) => {
    const reply = await app.inject({ method, url, ...(payload === undefined ? {} : { payload }) })
    return normal(`${reply.statusCode} ${JSON.stringify(reply.headers.link ?? '')} ${reply.body}`)
  }
  for (const [n, [method, url, payload]] of requests.entries()) {
    answers[`${n} ${method} ${url}`] = await ask(method, url, payload)
  }
  t.ok(
    await comesTrue(async () => /"post_count":2/.test(await ask('GET', '/user-analytics'))),
    'posts arrive from MongoDB'
  )
  for (const url of ['/user-analytics', '/users/', '/users/?limit=1', '/orders/']) {
    answers[`later ${url}`] = await ask('GET', url)
  }
  t.ok(
    await comesTrue(async () => /"post_count":2/.test(await ask('GET', '/users/summary'))),
    'users arrive in MongoDB'
  )
  return answers
}

t.test('every SQL route answers alike on both engines', async (t) => {
  const seen: Record<string, Record<string, string>> = {}
  for (const [engine, settings] of Object.entries(engines)) {
    await t.test(engine, async (t) => {
      seen[engine] = await walk(t, settings)
    })
  }
  t.equal(Object.keys(seen.PostgreSQL ?? {}).length, requests.length + 4)
  t.same(seen.SQLite, seen.PostgreSQL)
  t.match(seen.SQLite?.['3 POST /users/'], /^409 .*already exists/)
})
