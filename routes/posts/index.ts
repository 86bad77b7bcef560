import { Type } from '@sinclair/typebox'
import type { FastifyInstance } from 'fastify'
import { CREATED_HEADERS, LIST_HEADERS, NoContentSchema, ref } from '../../schemas/common.ts'
import { defineRoute } from '../../schemas/http.ts'
import {
  categoryPostList,
  PostCategoryParamsSchema,
  PostCreateSchema,
  postList,
  PostParamsSchema,
  PostSchema,
  postSummaryList,
  PostSummarySchema,
  PostUpdateSchema
} from '../../schemas/posts.ts'
import { problems } from '../../schemas/problem.ts'

const tags = ['posts']
// A write sent straight to MongoDB would stay even if the answer could not be made.
// Writers of one post come one after the other, each run again until the deadline ends it.
const config = { transaction: { store: 'mongo', retries: 20 }, conditional: true } as const

const listPosts = defineRoute({
  method: 'GET',
  url: '',
  schema: {
    operationId: 'listPosts',
    summary: 'List posts',
    description: 'Whole posts, newest first; all, or those of one author or category.',
    tags,
    querystring: postList.query,
    response: { 200: Type.Array(ref(PostSchema), { description: 'A page of posts', headers: LIST_HEADERS }) }
  },
  handler: async function listPosts (request, reply) {
    return reply.page(await this.repositories.posts(request.mongo).list(request.query))
  }
})

const listPostSummaries = defineRoute({
  method: 'GET',
  url: '/summaries',
  schema: {
    operationId: 'listPostSummaries',
    summary: 'List posts without their content',
    description: 'Newest first, or as asked. The content stays in the database.',
    tags,
    querystring: postSummaryList.query,
    response: { 200: Type.Array(ref(PostSummarySchema), { description: 'A page of summaries', headers: LIST_HEADERS }) }
  },
  handler: async function listPostSummaries (request, reply) {
    return reply.page(await this.repositories.posts(request.mongo).summaries(request.query))
  }
})

const listPostsByCategory = defineRoute({
  method: 'GET',
  url: '/by-category/:category',
  schema: {
    operationId: 'listPostsByCategory',
    summary: 'List the posts of a category',
    description: 'Whole posts, newest first or as asked; empty for a category nobody has used.',
    tags,
    params: PostCategoryParamsSchema,
    querystring: categoryPostList.query,
    response: { 200: Type.Array(ref(PostSchema), { description: 'A page of posts', headers: LIST_HEADERS }) }
  },
  handler: async function listPostsByCategory (request, reply) {
    return reply.page(await this.repositories.posts(request.mongo).byCategory(request.params.category, request.query))
  }
})

const createPost = defineRoute({
  method: 'POST',
  url: '',
  config,
  schema: {
    operationId: 'createPost',
    summary: 'Create a post',
    description: 'The author must exist; the slug, if there is one, must not be taken.',
    tags,
    body: ref(PostCreateSchema),
    response: { 201: ref(PostSchema, { description: 'The new post', headers: CREATED_HEADERS }), ...problems(409, 422) }
  },
  handler: async function createPost (request, reply) {
    await assertAuthor(this, request.body.author_id)
    const post = await this.repositories.posts(request.mongo).create(request.body)
    reply.code(201).header('location', `/posts/${post.id}`)
    return reply.withTag(post)
  }
})

const getPost = defineRoute({
  method: 'GET',
  url: '/:id',
  config: { conditional: true },
  schema: {
    operationId: 'getPost',
    summary: 'Read a post',
    description: 'One post with its content.',
    tags,
    params: PostParamsSchema,
    response: { 200: ref(PostSchema, { description: 'The post' }), ...problems(404) }
  },
  handler: async function getPost (request, reply) {
    const post = await this.repositories.posts(request.mongo).read(request.params.id)
    this.assert(post, 404, 'Post not found')
    return reply.withTag(post)
  }
})

// PUT and PATCH do the same: both change the fields that are given.
const [putPost, patchPost] = [
  changePost('PUT', { operationId: 'putPost', summary: 'Change a post' }),
  changePost('PATCH', { operationId: 'patchPost', summary: 'Change fields of a post' })
]

function changePost (method: 'PUT' | 'PATCH', names: { operationId: string; summary: string }) {
  return defineRoute({
    method,
    url: '/:id',
    config,
    schema: {
      description: 'Only the fields that are given change. A new author must exist.',
      tags,
      params: PostParamsSchema,
      body: ref(PostUpdateSchema),
      response: { 200: ref(PostSchema, { description: 'The post as it is now' }), ...problems(404, 409, 422) },
      ...names
    },
    handler: async function updatePost (request, reply) {
      if (request.body.author_id !== undefined) await assertAuthor(this, request.body.author_id)
      const posts = this.repositories.posts(request.mongo)
      const post = await posts.update(request.params.id, request.body, request.precondition)
      if (post === null) throw this.createMissProblem(await posts.getById(request.params.id), 'Post')
      return reply.withTag(post)
    }
  })
}

const deletePost = defineRoute({
  method: 'DELETE',
  url: '/:id',
  config,
  schema: {
    operationId: 'deletePost',
    summary: 'Delete a post',
    description: 'It leaves lists of users and analytics within seconds.',
    tags,
    params: PostParamsSchema,
    response: { 204: NoContentSchema, ...problems(404) }
  },
  handler: async function deletePost (request, reply) {
    const posts = this.repositories.posts(request.mongo)
    const wasThere = await posts.delete(request.params.id, request.precondition)
    if (!wasThere) throw this.createMissProblem(await posts.getById(request.params.id), 'Post')
    reply.code(204)
    return null
  }
})

export default async function posts (app: FastifyInstance): Promise<void> {
  app.describeTag('posts', 'What they wrote; stored in MongoDB')
  for (
    const route of [
      listPosts,
      createPost,
      listPostSummaries,
      listPostsByCategory,
      getPost,
      putPost,
      patchPost,
      deletePost
    ]
  ) app.route(route)
}

// Authors live in the other database, which cannot be part of this transaction: they are read there on their own.
async function assertAuthor (app: FastifyInstance, id: number): Promise<void> {
  if (await app.repositories.users(app.db).getById(id) !== null) return
  throw app.createProblem(409, 'User not found', {
    type: 'reference',
    errors: [{ pointer: '/author_id', detail: 'User not found' }]
  })
}
