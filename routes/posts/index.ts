import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyInstance } from 'fastify'
import type { ReplyOf, RequestOf } from '../../schemas/http.ts'
import {
  createPostOperation, deletePostOperation, getPostOperation, listPostsByCategoryOperation, listPostsOperation,
  listPostSummariesOperation, patchPostOperation, putPostOperation
} from './operations.ts'

// A write sent straight to MongoDB would stay even if the answer could not be made.
const config = { transaction: { store: 'mongo', retries: 3 } } as const

const posts: FastifyPluginAsyncTypebox = async function posts (app) {
  app.get('', { schema: listPostsOperation }, listPosts)
  app.post('', { schema: createPostOperation, config }, createPost)
  app.get('/summaries', { schema: listPostSummariesOperation }, listPostSummaries)
  app.get('/by-category/:category', { schema: listPostsByCategoryOperation }, listPostsByCategory)
  app.get('/:id', { schema: getPostOperation }, getPost)
  app.put('/:id', { schema: putPostOperation, config }, updatePost)
  app.patch('/:id', { schema: patchPostOperation, config }, updatePost)
  app.delete('/:id', { schema: deletePostOperation, config }, deletePost)
}

export default posts

async function listPosts (this: FastifyInstance, request: RequestOf<typeof listPostsOperation>, reply: ReplyOf<typeof listPostsOperation>) {
  return reply.page(await this.repositories.posts(request.mongo).list(request.query))
}

async function createPost (this: FastifyInstance, request: RequestOf<typeof createPostOperation>, reply: ReplyOf<typeof createPostOperation>) {
  await assertAuthor(this, request.body.author_id)
  const post = await this.repositories.posts(request.mongo).create(request.body)
  reply.code(201).header('location', `/posts/${post.id}`)
  return post
}

async function listPostSummaries (this: FastifyInstance, request: RequestOf<typeof listPostSummariesOperation>, reply: ReplyOf<typeof listPostSummariesOperation>) {
  return reply.page(await this.repositories.posts(request.mongo).summaries(request.query))
}

async function listPostsByCategory (this: FastifyInstance, request: RequestOf<typeof listPostsByCategoryOperation>, reply: ReplyOf<typeof listPostsByCategoryOperation>) {
  return reply.page(await this.repositories.posts(request.mongo).byCategory(request.params.category, request.query))
}

async function getPost (this: FastifyInstance, request: RequestOf<typeof getPostOperation>) {
  const post = await this.repositories.posts(request.mongo).getById(request.params.id)
  this.assert(post, 404, 'Post not found')
  return post
}

async function updatePost (this: FastifyInstance, request: RequestOf<typeof putPostOperation>) {
  if (request.body.author_id !== undefined) await assertAuthor(this, request.body.author_id)
  const post = await this.repositories.posts(request.mongo).update(request.params.id, request.body)
  this.assert(post, 404, 'Post not found')
  return post
}

async function deletePost (this: FastifyInstance, request: RequestOf<typeof deletePostOperation>, reply: ReplyOf<typeof deletePostOperation>) {
  const wasThere = await this.repositories.posts(request.mongo).delete(request.params.id)
  this.assert(wasThere, 404, 'Post not found')
  reply.code(204)
  return null
}

// Authors live in the other database, which cannot be part of this transaction: they are read there on their own.
async function assertAuthor (app: FastifyInstance, id: number): Promise<void> {
  if (await app.repositories.users(app.db).getById(id) !== null) return
  const errors = [{ pointer: '/author_id', detail: 'User not found' }]
  throw app.httpErrors.createError(409, 'User not found', { type: 'reference', errors })
}
