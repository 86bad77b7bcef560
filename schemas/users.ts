import { Type, type Static } from '@sinclair/typebox'
import { IdSchema, TimestampSchema, line, ref, text } from './common.ts'
import { defineList } from './list.ts'
import { PostCreateSchema, PostSchema, PostSummarySchema } from './posts.ts'

const email = Type.String({ format: 'email', minLength: 3, maxLength: 254, examples: ['ada@example.com'] })
const name = line(1, 200, { examples: ['Ada Lovelace'] })

export const UserSchema = Type.Object({
  id: IdSchema,
  email,
  name,
  created_at: TimestampSchema,
  updated_at: TimestampSchema
}, { $id: 'User', additionalProperties: false, description: 'A person' })

export const UserWithPostsSchema = Type.Object({
  ...UserSchema.properties,
  posts: Type.Array(ref(PostSummarySchema), {
    maxItems: 100,
    description: 'The newest 100 posts of the user, newest first'
  })
}, { $id: 'UserWithPosts', additionalProperties: false, description: 'A person with what he or she wrote' })

export const UserCreateSchema = Type.Object({ email, name }, { $id: 'UserCreate', additionalProperties: false })

const { author_id: _author, ...newPost } = PostCreateSchema.properties

export const UserWithPostCreateSchema = Type.Object({
  email,
  name,
  post: Type.Object(newPost, { additionalProperties: false, description: 'The first post of the new user' })
}, { $id: 'UserWithPostCreate', additionalProperties: false })

export const UserWithPostSchema = Type.Object({ ...UserSchema.properties, post: ref(PostSchema) }, {
  $id: 'UserWithPost',
  additionalProperties: false,
  description: 'A person and his or her first post'
})

export const UserUpdateSchema = Type.Partial(Type.Object({ email, name }), {
  $id: 'UserUpdate',
  additionalProperties: false,
  minProperties: 1,
  description: 'The fields to change'
})

export const UserSummarySchema = Type.Object({
  id: IdSchema,
  name,
  email,
  post_count: Type.Integer({ minimum: 0, examples: [3] })
}, { $id: 'UserSummary', additionalProperties: false, description: 'A person and the number of posts he or she wrote' })

export const UserParamsSchema = Type.Object({ id: { ...IdSchema, description: 'Id of the user' } })

export const userList = defineList(UserWithPostsSchema, {
  ids: 'row',
  order: 'id',
  sort: { id: 'integer', name: 'text' },
  filters: {},
  unique: { email: text(1, 254, { description: 'Only the user with this e-mail' }) }
})

export type User = Static<typeof UserSchema>
export type UserCreate = Static<typeof UserCreateSchema>
export type UserUpdate = Static<typeof UserUpdateSchema>
export type UserWithPost = Static<typeof UserWithPostSchema>
export type UserWithPosts = Static<typeof UserWithPostsSchema>
export type UserSummary = Static<typeof UserSummarySchema>
