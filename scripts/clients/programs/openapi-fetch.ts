import createClient from 'openapi-fetch'
import type { paths } from './generated/schema.d.ts'
import { origin, useApi, type Answer } from './api'

const client = createClient<paths>({ baseUrl: origin })

function toAnswer<T> (
  { data, error, response }: { data?: T; error?: { type: string; status: number }; response: Response }
): Answer<T> {
  return { status: response.status, data, problem: error, link: response.headers.get('link') }
}

await useApi({
  createUser: async (body) => toAnswer(await client.POST('/users', { body })),
  getUser: async (id) => toAnswer(await client.GET('/users/{id}', { params: { path: { id } } })),
  listUsers: async (query) => toAnswer(await client.GET('/users', { params: { query } })),
  createOrder: async (body) => toAnswer(await client.POST('/orders', { body })),
  createPost: async (body) => toAnswer(await client.POST('/posts', { body }))
})
