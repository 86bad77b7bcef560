import { Configuration, OrdersApi, PostsApi, ProblemFromJSON, ResponseError, UsersApi } from './generated'
import type { ApiResponse } from './generated'
import { origin, useApi, type Answer } from './api'

const configuration = new Configuration({ basePath: origin })
const users = new UsersApi(configuration)
const orders = new OrdersApi(configuration)
const posts = new PostsApi(configuration)

async function toAnswer<T> (sent: Promise<ApiResponse<T>>): Promise<Answer<T>> {
  try {
    const answer = await sent
    return { status: answer.raw.status, data: await answer.value(), link: answer.raw.headers.get('link') }
  } catch (error) {
    if (!(error instanceof ResponseError)) throw error
    return { status: error.response.status, problem: ProblemFromJSON(await error.response.json()) }
  }
}

await useApi({
  createUser: async (userCreate) => await toAnswer(users.createUserRaw({ userCreate })),
  getUser: async (id) => await toAnswer(users.getUserRaw({ id })),
  listUsers: async (query) => await toAnswer(users.listUsersRaw(query)),
  createOrder: async ({ user_id: userId, items }) => {
    const own = items.map(({ product, quantity, unit_price: unitPrice }) => ({ product, quantity, unitPrice }))
    return await toAnswer(orders.createOrderRaw({ orderCreate: { userId, items: own } }))
  },
  createPost: async ({ author_id: authorId, ...rest }) =>
    await toAnswer(posts.createPostRaw({ postCreate: { ...rest, authorId } }))
})
