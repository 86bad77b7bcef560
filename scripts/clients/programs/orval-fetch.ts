import { createOrder, createPost, createUser, getUser, listUsers } from './generated/fetch'
import type { Problem } from './generated/fetch'
import { origin, useApi, type Answer } from './api'

// The client asks for paths, as in a browser.
const plainFetch = globalThis.fetch
globalThis.fetch = async (url, init) => await plainFetch(new URL(String(url), origin), init)

interface Given<T> {
  data: T | Problem | void
  status: number
  headers: Headers
}

function toAnswer<T> ({ data, status, headers }: Given<T>): Answer<T> {
  const isProblem = status >= 400
  return {
    status,
    ...(isProblem ? { problem: data as Problem } : { data: data as T }),
    link: headers.get('link')
  }
}

await useApi({
  createUser: async (body) => toAnswer<{ id: number; name: string }>(await createUser(body)),
  getUser: async (id) => toAnswer<{ id: number }>(await getUser(id)),
  listUsers: async (query) => toAnswer<Array<{ id: number; name: string }>>(await listUsers(query)),
  createOrder: async (body) => toAnswer<{ total: string }>(await createOrder(body)),
  createPost: async (body) => toAnswer<{ id: string; content: string }>(await createPost(body))
})
