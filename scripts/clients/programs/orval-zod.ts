import type { ZodType } from 'zod'
import {
  CreateOrderBody,
  CreateOrderResponse,
  CreatePostBody,
  CreatePostResponse,
  CreateUserBody,
  CreateUserResponse,
  GetUserParams,
  GetUserResponse,
  ListUsersQueryParams,
  ListUsersResponse
} from './generated/zod'
import { origin, useApi, type Answer } from './api'

async function send<T> (path: string, schema: ZodType<T>, body?: unknown): Promise<Answer<T>> {
  const post = { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }
  const response = await fetch(origin + path, body === undefined ? {} : post)
  const json: unknown = await response.json()
  const { status } = response
  const link = response.headers.get('link')
  if (status < 400) return { status, data: schema.parse(json), link }
  return { status, problem: json as { type: string; status: number } }
}

await useApi({
  createUser: async (body) => await send('/users', CreateUserResponse, CreateUserBody.parse(body)),
  getUser: async (id) => await send(`/users/${GetUserParams.parse({ id }).id}`, GetUserResponse),
  listUsers: async (query) => {
    const { limit, after } = ListUsersQueryParams.parse(query)
    const own = new URLSearchParams({ limit: String(limit), ...(after === undefined ? {} : { after }) })
    return await send(`/users?${own}`, ListUsersResponse)
  },
  createOrder: async (body) => await send('/orders', CreateOrderResponse, CreateOrderBody.parse(body)),
  createPost: async (body) => await send('/posts', CreatePostResponse, CreatePostBody.parse(body))
})
