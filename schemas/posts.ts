import { Type, type Static } from '@sinclair/typebox'
import { DocumentIdSchema, IdSchema, line, MAX_ID, text, TimestampSchema } from './common.ts'
import { defineList } from './list.ts'

const title = line(1, 200, { examples: ['On the engine'] })
const content = text(1, 100_000, { examples: ['It weaves algebraic patterns.'] })
const category = line(1, 50, { examples: ['engineering'] })
const slug = Type.String({
  pattern: '^[a-z0-9]+(-[a-z0-9]+)*$',
  maxLength: 200,
  description: 'Unique among posts',
  examples: ['on-the-engine']
})

export const PostSchema = Type.Object({
  id: DocumentIdSchema,
  title,
  content,
  category,
  author_id: IdSchema,
  slug: Type.Optional(slug),
  created_at: TimestampSchema,
  updated_at: TimestampSchema
}, { $id: 'Post', additionalProperties: false, description: 'Something a person wrote' })

export const PostSummarySchema = Type.Object({
  id: DocumentIdSchema,
  title,
  category,
  author_id: IdSchema,
  created_at: TimestampSchema
}, { $id: 'PostSummary', additionalProperties: false, description: 'A post without its content' })

export const PostCreateSchema = Type.Object({
  title,
  content,
  category,
  author_id: IdSchema,
  slug: Type.Optional(slug)
}, { $id: 'PostCreate', additionalProperties: false })

export const PostUpdateSchema = Type.Partial(
  Type.Object({
    title,
    content,
    category,
    author_id: IdSchema,
    slug: Type.Union([slug, Type.Null()], { description: 'Null takes the slug away' })
  }),
  { $id: 'PostUpdate', additionalProperties: false, minProperties: 1, description: 'The fields to change' }
)

export const PostParamsSchema = Type.Object({ id: { ...DocumentIdSchema, description: 'Id of the post' } })

export const PostCategoryParamsSchema = Type.Object({ category: { ...category, description: 'As the posts have it' } })

export const postList = defineList(PostSchema, {
  ids: 'document',
  order: '-created_at',
  sort: { created_at: 'date', title: 'text' },
  filters: {
    author_id: Type.Integer({ minimum: 1, maximum: MAX_ID, description: 'Only posts of this user' }),
    category: { ...category, description: 'Only posts of this category' }
  },
  unique: {}
})

// What these show leaves no filter: a page may be asked for in another order, and no more.
const orders = {
  ids: 'document',
  order: '-created_at',
  sort: { created_at: 'date', title: 'text' },
  filters: {},
  unique: {}
} as const

export const postSummaryList = defineList(PostSummarySchema, orders)
/** Each order has an index that begins with the category. */
export const categoryPostList = defineList(PostSchema, orders)

export type Post = Static<typeof PostSchema>
export type PostCreate = Static<typeof PostCreateSchema>
export type PostUpdate = Static<typeof PostUpdateSchema>
export type PostSummary = Static<typeof PostSummarySchema>
