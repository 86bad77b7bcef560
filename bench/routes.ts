import { randomBytes } from 'node:crypto'

/** A route that every peer serves in the same way. */
export interface Route {
  name: string
  method: 'GET' | 'POST'
  /** A path; `at` from 0 to 1 chooses among rows. */
  path: (at: number) => string
  body?: () => string
}

/** How much data the databases hold while they are measured. */
export interface Size {
  users: number
  posts: number
  categories: number
}

export const size: Size = { users: 1000, posts: 10_000, categories: 10 }

const rowAt = (at: number, count: number) => 1 + Math.min(count - 1, Math.floor(at * count))

/** The nine routes of the comparison; `postIds` are ids that exist. */
export function routesOver ({ users, categories }: Size, postIds: string[]): Route[] {
  const read = (name: string, path: Route['path']): Route => ({ name, method: 'GET', path })
  return [
    read('GET /users/{id}', (at) => `/users/${rowAt(at, users)}`),
    {
      name: 'POST /users/',
      method: 'POST',
      path: () => '/users',
      body: () => JSON.stringify({ email: `${randomBytes(9).toString('hex')}@bench.example`, name: 'Bench User' })
    },
    {
      name: 'POST /orders/',
      method: 'POST',
      path: () => '/orders',
      body: () =>
        JSON.stringify({
          user_id: rowAt(Math.random(), users),
          items: ['Pen', 'Ink', 'Paper'].map((product) => ({ product, quantity: 2, unit_price: '1.50' }))
        })
    },
    read('GET /users/', () => '/users?limit=100'),
    read('GET /users/summary', () => '/users/summary?limit=100'),
    read('GET /user-analytics', () => '/user-analytics?limit=100'),
    read('GET /posts/summaries', () => '/posts/summaries?limit=100'),
    read('GET /posts/by-category/{category}', (at) => `/posts/by-category/category-${rowAt(at, categories)}?limit=100`),
    read('GET /posts/{id}', (at) => `/posts/${postIds[rowAt(at, postIds.length) - 1] ?? ''}`)
  ]
}
