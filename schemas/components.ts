import { OrderCreateSchema, OrderItemCreateSchema, OrderItemSchema, OrderSchema } from './orders.ts'
import { PostCreateSchema, PostSchema, PostSummarySchema, PostUpdateSchema } from './posts.ts'
import { UserAnalyticsSchema } from './user-analytics.ts'
import { UserCreateSchema, UserSchema, UserSummarySchema, UserUpdateSchema, UserWithPostsSchema } from './users.ts'

/** Every schema that others refer to by its `$id`: the named components of the OpenAPI document, in its order. */
export const components = [
  UserSchema, UserWithPostsSchema, UserCreateSchema, UserUpdateSchema, UserSummarySchema, UserAnalyticsSchema,
  PostSchema, PostSummarySchema, PostCreateSchema, PostUpdateSchema,
  OrderSchema, OrderItemSchema, OrderCreateSchema, OrderItemCreateSchema
]
