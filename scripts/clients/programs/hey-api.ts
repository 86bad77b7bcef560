import { client } from './generated/client.gen'
import { createOrder, createPost, createUser, getUser, listUsers } from './generated'
import { origin, useApi, type Answer } from './api'

client.setConfig({ baseUrl: origin })

interface Given<T> {
  data: T | undefined
  error: unknown
  response?: Response | undefined
}

function toAnswer<T> ({ data, error, response }: Given<T>): Answer<T> {
  const status = response?.status ?? 0
  const problem = error as { type: string; status: number } | undefined
  return { status, data, problem, link: response?.headers.get('link') }
}

await useApi({
  createUser: async (body) => toAnswer(await createUser({ body })),
  getUser: async (id) => toAnswer(await getUser({ path: { id } })),
  listUsers: async (query) => toAnswer(await listUsers({ query })),
  createOrder: async (body) => toAnswer(await createOrder({ body })),
  createPost: async (body) => toAnswer(await createPost({ body }))
})
