// JSON schemas of the hand-written peer: what it takes and gives is what the service takes and gives.
import { Type, type TObject } from '@sinclair/typebox'

const moment = Type.String({ format: 'date-time' })
const user = { id: Type.Integer(), email: Type.String(), name: Type.String(), created_at: moment, updated_at: moment }
const postSummary = {
  id: Type.String(),
  title: Type.String(),
  category: Type.String(),
  author_id: Type.Integer(),
  created_at: moment
}
const post = Type.Object({
  ...postSummary,
  content: Type.String(),
  slug: Type.Optional(Type.String()),
  updated_at: moment
})
const item = {
  product: Type.String({ minLength: 1, maxLength: 200 }),
  quantity: Type.Integer({ minimum: 1, maximum: 10_000 }),
  unit_price: Type.String()
}
const order = Type.Object({
  id: Type.Integer(),
  user_id: Type.Integer(),
  status: Type.String(),
  total: Type.String(),
  created_at: moment,
  items: Type.Array(Type.Object({ id: Type.Integer(), ...item }))
})
const missing = Type.Object({ error: Type.String() })
const page = Type.Object({ limit: Type.Integer({ minimum: 1, maximum: 100, default: 100 }) })
const numericId = Type.Object({ id: Type.Integer() })

const list = (row: TObject) => ({ querystring: page, response: { 200: Type.Array(row) } })

export const getUser = { params: numericId, response: { 200: Type.Object(user), 404: missing } }
export const createUser = {
  body: Type.Object({ email: Type.String({ format: 'email' }), name: Type.String({ minLength: 1 }) }, {
    additionalProperties: false
  }),
  response: { 201: Type.Object(user) }
}
export const createOrder = {
  body: Type.Object({ user_id: Type.Integer(), items: Type.Array(Type.Object(item), { minItems: 1, maxItems: 100 }) }, {
    additionalProperties: false
  }),
  response: { 201: order }
}
export const listUsers = list(Type.Object({ ...user, posts: Type.Array(Type.Object(postSummary)) }))
export const listSummaries = list(
  Type.Object({ id: Type.Integer(), name: Type.String(), email: Type.String(), post_count: Type.Integer() })
)
export const listAnalytics = list(
  Type.Object({
    name: Type.String(),
    post_count: Type.Integer(),
    avg_content_length: Type.Union([Type.Number(), Type.Null()])
  })
)
export const listPostSummaries = list(Type.Object(postSummary))
export const listPosts = { ...list(post), params: Type.Object({ category: Type.String() }) }
export const getPost = {
  params: Type.Object({ id: Type.String({ pattern: '^[0-9a-f]{24}$' }) }),
  response: { 200: post, 404: missing }
}
