import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyInstance } from 'fastify'
import type { RequestOf, ReplyOf } from '../../schemas/http.ts'
import {
  createUserOperation, deleteUserOperation, getUserOperation, listUsersOperation, listUserSummariesOperation, patchUserOperation,
  putUserOperation
} from './operations.ts'

const users: FastifyPluginAsyncTypebox = async function users (app) {
  app.get('', { schema: listUsersOperation }, listUsers)
  app.post('', { schema: createUserOperation }, createUser)
  app.get('/summary', { schema: listUserSummariesOperation }, listUserSummaries)
  app.get('/:id', { schema: getUserOperation }, getUser)
  app.put('/:id', { schema: putUserOperation }, updateUser)
  app.patch('/:id', { schema: patchUserOperation }, updateUser)
  app.delete('/:id', { schema: deleteUserOperation }, deleteUser)
}

export default users

async function listUsers (this: FastifyInstance, request: RequestOf<typeof listUsersOperation>, reply: ReplyOf<typeof listUsersOperation>) {
  return reply.page(await this.repositories.users(request.db).list(request.query))
}

async function createUser (this: FastifyInstance, request: RequestOf<typeof createUserOperation>, reply: ReplyOf<typeof createUserOperation>) {
  const user = await this.repositories.users(request.db).create(request.body)
  reply.code(201).header('location', `/users/${user.id}`)
  return user
}

async function listUserSummaries (this: FastifyInstance, request: RequestOf<typeof listUserSummariesOperation>, reply: ReplyOf<typeof listUserSummariesOperation>) {
  return reply.page(await this.repositories.userSummaries(request.mongo).list(request.query))
}

async function getUser (this: FastifyInstance, request: RequestOf<typeof getUserOperation>) {
  const user = await this.repositories.users(request.db).getById(request.params.id)
  this.assert(user, 404, 'User not found')
  return user
}

async function updateUser (this: FastifyInstance, request: RequestOf<typeof putUserOperation>) {
  const user = await this.repositories.users(request.db).update(request.params.id, request.body)
  this.assert(user, 404, 'User not found')
  return user
}

async function deleteUser (this: FastifyInstance, request: RequestOf<typeof deleteUserOperation>, reply: ReplyOf<typeof deleteUserOperation>) {
  const wasThere = await this.repositories.users(request.db).delete(request.params.id)
  this.assert(wasThere, 404, 'User not found')
  reply.code(204)
  return null
}
