import { Type } from '@sinclair/typebox'
import type { FastifyInstance } from 'fastify'
import { CREATED_HEADERS, IdPageSchema, LIST_HEADERS, NoContentSchema, ref } from '../../schemas/common.ts'
import { defineRoute } from '../../schemas/http.ts'
import { problems } from '../../schemas/problem.ts'
import {
  UserCreateSchema,
  userList,
  UserParamsSchema,
  UserSchema,
  UserSummarySchema,
  UserUpdateSchema,
  UserWithPostCreateSchema,
  UserWithPostSchema,
  UserWithPostsSchema
} from '../../schemas/users.ts'

const tags = ['users']
// Writes are followed to MongoDB by the events of the topic `users`.
const config = { conditional: true, announces: 'users' } as const

const listUsers = defineRoute({
  method: 'GET',
  url: '',
  schema: {
    operationId: 'listUsers',
    summary: 'List users with their posts',
    description: 'By id. The posts come from a copy in the SQL database that follows MongoDB within seconds.',
    tags,
    querystring: userList.query,
    response: { 200: Type.Array(ref(UserWithPostsSchema), { description: 'A page of users', headers: LIST_HEADERS }) }
  },
  handler: async function listUsers (request, reply) {
    return reply.page(await this.repositories.users(request.db).list(request.query))
  }
})

const createUser = defineRoute({
  method: 'POST',
  url: '',
  config,
  schema: {
    operationId: 'createUser',
    summary: 'Create a user',
    description: 'The e-mail must not be taken.',
    tags,
    body: ref(UserCreateSchema),
    response: { 201: ref(UserSchema, { description: 'The new user', headers: CREATED_HEADERS }), ...problems(409, 422) }
  },
  handler: async function createUser (request, reply) {
    const user = await this.repositories.users(request.db).create(request.body)
    reply.code(201).header('location', `/users/${user.id}`)
    return reply.withTag(user)
  }
})

const createUserWithPost = defineRoute({
  method: 'POST',
  url: '/with-post',
  config: { ...config, transaction: { crossStore: 'two-phase' } },
  schema: {
    operationId: 'createUserWithPost',
    summary: 'Create a user and a first post',
    description:
      'Both or neither: the user in PostgreSQL, the post in MongoDB. The e-mail and the slug must not be taken. Absent where PostgreSQL cannot prepare transactions, and on SQLite.',
    tags,
    body: ref(UserWithPostCreateSchema),
    response: {
      201: ref(UserWithPostSchema, { description: 'The new user with the post', headers: CREATED_HEADERS }),
      ...problems(409, 422)
    }
  },
  handler: async function createUserWithPost (request, reply) {
    const { post: first, ...person } = request.body
    const user = await this.repositories.users(request.db).create(person)
    const post = await this.repositories.posts(request.mongo).create({ ...first, author_id: user.id })
    reply.code(201).header('location', `/users/${user.id}`)
    return { ...reply.withTag(user), post }
  }
})

const listUserSummaries = defineRoute({
  method: 'GET',
  url: '/summary',
  schema: {
    operationId: 'listUserSummaries',
    summary: 'List users with the number of their posts',
    description: 'By id. The users come from a copy in MongoDB that follows the SQL database within seconds.',
    tags,
    querystring: IdPageSchema,
    response: { 200: Type.Array(ref(UserSummarySchema), { description: 'A page of summaries', headers: LIST_HEADERS }) }
  },
  handler: async function listUserSummaries (request, reply) {
    return reply.page(await this.repositories.userSummaries(request.mongo).list(request.query))
  }
})

const getUser = defineRoute({
  method: 'GET',
  url: '/:id',
  config,
  schema: {
    operationId: 'getUser',
    summary: 'Read a user',
    description: 'One user, without posts.',
    tags,
    params: UserParamsSchema,
    response: { 200: ref(UserSchema, { description: 'The user' }), ...problems(404) }
  },
  handler: async function getUser (request, reply) {
    const user = await this.repositories.users(request.db).getById(request.params.id)
    this.assert(user, 404, 'User not found')
    return reply.withTag(user)
  }
})

// PUT and PATCH do the same: both change the fields that are given.
const [putUser, patchUser] = [
  changeUser('PUT', { operationId: 'putUser', summary: 'Change a user' }),
  changeUser('PATCH', { operationId: 'patchUser', summary: 'Change fields of a user' })
]

function changeUser (method: 'PUT' | 'PATCH', names: { operationId: string; summary: string }) {
  return defineRoute({
    method,
    url: '/:id',
    config,
    schema: {
      description: 'Only the fields that are given change.',
      tags,
      params: UserParamsSchema,
      body: ref(UserUpdateSchema),
      response: { 200: ref(UserSchema, { description: 'The user as it is now' }), ...problems(404, 409, 422) },
      ...names
    },
    handler: async function updateUser (request, reply) {
      const users = this.repositories.users(request.db)
      const user = await users.update(request.params.id, request.body, request.precondition)
      if (user === null) throw this.createMissProblem(await users.getById(request.params.id), 'User')
      return reply.withTag(user)
    }
  })
}

const deleteUser = defineRoute({
  method: 'DELETE',
  url: '/:id',
  config,
  schema: {
    operationId: 'deleteUser',
    summary: 'Delete a user',
    description: 'Refused while there are orders of the user; the posts go too, within seconds.',
    tags,
    params: UserParamsSchema,
    response: { 204: NoContentSchema, ...problems(404, 409) }
  },
  handler: async function deleteUser (request, reply) {
    const users = this.repositories.users(request.db)
    const wasThere = await users.delete(request.params.id, request.precondition)
    if (!wasThere) throw this.createMissProblem(await users.getById(request.params.id), 'User')
    reply.code(204)
    return null
  }
})

export default async function users (app: FastifyInstance): Promise<void> {
  app.describeTag('users', 'People; stored in PostgreSQL')
  for (const route of [listUsers, createUser, listUserSummaries, getUser, putUser, patchUser, deleteUser]) {
    app.route(route)
  }
  if (app.bothStores !== undefined) app.route(createUserWithPost)
}
