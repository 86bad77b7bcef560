import { Type } from '@sinclair/typebox'
import { CREATED_HEADERS, IdPageSchema, LIST_HEADERS, NoContentSchema, ref } from '../../schemas/common.ts'
import { problems } from '../../schemas/problem.ts'
import {
  UserCreateSchema, UserListQuerySchema, UserParamsSchema, UserSchema, UserSummarySchema, UserUpdateSchema, UserWithPostsSchema
} from '../../schemas/users.ts'

const tags = ['users']

export const listUsersOperation = {
  operationId: 'listUsers',
  summary: 'List users with their posts',
  description: 'By id. The posts come from a copy in the SQL database that follows MongoDB within seconds.',
  tags,
  querystring: UserListQuerySchema,
  response: { 200: Type.Array(ref(UserWithPostsSchema), { description: 'A page of users', headers: LIST_HEADERS }) }
}

export const createUserOperation = {
  operationId: 'createUser',
  summary: 'Create a user',
  description: 'The e-mail must not be taken.',
  tags,
  body: ref(UserCreateSchema),
  response: { 201: ref(UserSchema, { description: 'The new user', headers: CREATED_HEADERS }), ...problems(409, 422) }
}

export const getUserOperation = {
  operationId: 'getUser',
  summary: 'Read a user',
  description: 'One user, without posts.',
  tags,
  params: UserParamsSchema,
  response: { 200: ref(UserSchema, { description: 'The user' }), ...problems(404) }
}

const updateUser = {
  description: 'Only the fields that are given change.',
  tags,
  params: UserParamsSchema,
  body: ref(UserUpdateSchema),
  response: { 200: ref(UserSchema, { description: 'The user as it is now' }), ...problems(404, 409, 422) }
}
export const putUserOperation = { ...updateUser, operationId: 'putUser', summary: 'Change a user' }
export const patchUserOperation = { ...updateUser, operationId: 'patchUser', summary: 'Change fields of a user' }

export const deleteUserOperation = {
  operationId: 'deleteUser',
  summary: 'Delete a user',
  description: 'Refused while there are orders of the user; the posts go too, within seconds.',
  tags,
  params: UserParamsSchema,
  response: { 204: NoContentSchema, ...problems(404, 409) }
}

export const listUserSummariesOperation = {
  operationId: 'listUserSummaries',
  summary: 'List users with the number of their posts',
  description: 'By id. The users come from a copy in MongoDB that follows the SQL database within seconds.',
  tags,
  querystring: IdPageSchema,
  response: { 200: Type.Array(ref(UserSummarySchema), { description: 'A page of summaries', headers: LIST_HEADERS }) }
}
