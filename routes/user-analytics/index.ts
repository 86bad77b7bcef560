import { Type } from '@sinclair/typebox'
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import type { FastifyInstance } from 'fastify'
import { LIST_HEADERS, ref } from '../../schemas/common.ts'
import type { ReplyOf, RequestOf } from '../../schemas/http.ts'
import { UserAnalyticsQuerySchema, UserAnalyticsSchema } from '../../schemas/user-analytics.ts'

const listUserAnalyticsOperation = {
  operationId: 'listUserAnalytics',
  summary: 'What each user wrote, in numbers',
  description: 'Those who wrote most first. Counted over a copy of the posts in the SQL database that follows MongoDB within seconds.',
  tags: ['analytics'],
  querystring: UserAnalyticsQuerySchema,
  response: { 200: Type.Array(ref(UserAnalyticsSchema), { description: 'A page of numbers', headers: LIST_HEADERS }) }
}

const userAnalytics: FastifyPluginAsyncTypebox = async function userAnalytics (app) {
  app.get('', { schema: listUserAnalyticsOperation }, listUserAnalytics)
}

export default userAnalytics

async function listUserAnalytics (this: FastifyInstance, request: RequestOf<typeof listUserAnalyticsOperation>, reply: ReplyOf<typeof listUserAnalyticsOperation>) {
  return reply.page(await this.repositories.userAnalytics(request.db).list(request.query))
}
