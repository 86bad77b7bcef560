import { Type } from '@sinclair/typebox'
import { CREATED_HEADERS, LIST_HEADERS, NoContentSchema, ref } from '../../schemas/common.ts'
import {
  PostCategoryParamsSchema, PostCreateSchema, PostListQuerySchema, PostParamsSchema, PostSchema, PostSummarySchema, PostUpdateSchema
} from '../../schemas/posts.ts'
import { problems } from '../../schemas/problem.ts'

const tags = ['posts']

export const listPostsOperation = {
  operationId: 'listPosts',
  summary: 'List posts',
  description: 'Whole posts, newest first.',
  tags,
  querystring: PostListQuerySchema,
  response: { 200: Type.Array(ref(PostSchema), { description: 'A page of posts', headers: LIST_HEADERS }) }
}

export const listPostSummariesOperation = {
  operationId: 'listPostSummaries',
  summary: 'List posts without their content',
  description: 'Newest first. The content stays in the database.',
  tags,
  querystring: PostListQuerySchema,
  response: { 200: Type.Array(ref(PostSummarySchema), { description: 'A page of summaries', headers: LIST_HEADERS }) }
}

export const listPostsByCategoryOperation = {
  operationId: 'listPostsByCategory',
  summary: 'List the posts of a category',
  description: 'Whole posts, newest first; empty for a category nobody has used.',
  tags,
  params: PostCategoryParamsSchema,
  querystring: PostListQuerySchema,
  response: { 200: Type.Array(ref(PostSchema), { description: 'A page of posts', headers: LIST_HEADERS }) }
}

export const createPostOperation = {
  operationId: 'createPost',
  summary: 'Create a post',
  description: 'The author must exist; the slug, if there is one, must not be taken.',
  tags,
  body: ref(PostCreateSchema),
  response: { 201: ref(PostSchema, { description: 'The new post', headers: CREATED_HEADERS }), ...problems(409, 422) }
}

export const getPostOperation = {
  operationId: 'getPost',
  summary: 'Read a post',
  description: 'One post with its content.',
  tags,
  params: PostParamsSchema,
  response: { 200: ref(PostSchema, { description: 'The post' }), ...problems(404) }
}

const updatePost = {
  description: 'Only the fields that are given change. A new author must exist.',
  tags,
  params: PostParamsSchema,
  body: ref(PostUpdateSchema),
  response: { 200: ref(PostSchema, { description: 'The post as it is now' }), ...problems(404, 409, 422) }
}
export const putPostOperation = { ...updatePost, operationId: 'putPost', summary: 'Change a post' }
export const patchPostOperation = { ...updatePost, operationId: 'patchPost', summary: 'Change fields of a post' }

export const deletePostOperation = {
  operationId: 'deletePost',
  summary: 'Delete a post',
  description: 'It leaves lists of users and analytics within seconds.',
  tags,
  params: PostParamsSchema,
  response: { 204: NoContentSchema, ...problems(404) }
}
