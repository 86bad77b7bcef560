import { Type } from '@sinclair/typebox'
import type { FastifyInstance } from 'fastify'
import { LIST_HEADERS, ref } from '../../schemas/common.ts'
import { defineRoute } from '../../schemas/http.ts'
import { UserAnalyticsQuerySchema, UserAnalyticsSchema } from '../../schemas/user-analytics.ts'

const listUserAnalytics = defineRoute({
  method: 'GET',
  url: '',
  schema: {
    operationId: 'listUserAnalytics',
    summary: 'What each user wrote, in numbers',
    description:
      'Those who wrote most first. Counted over a copy of the posts in the SQL database that follows MongoDB within seconds.',
    tags: ['analytics'],
    querystring: UserAnalyticsQuerySchema,
    response: { 200: Type.Array(ref(UserAnalyticsSchema), { description: 'A page of numbers', headers: LIST_HEADERS }) }
  },
  handler: async function listUserAnalytics (request, reply) {
    return reply.page(await this.repositories.userAnalytics(request.db).list(request.query))
  }
})

export default async function userAnalytics (app: FastifyInstance): Promise<void> {
  app.describeTag('analytics', 'Numbers over both')
  app.route(listUserAnalytics)
}
