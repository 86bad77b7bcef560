import { Type, type Static } from '@sinclair/typebox'
import { cursorPage, ID_IN_CURSOR } from './common.ts'

export const UserAnalyticsSchema = Type.Object({
  name: Type.String({ examples: ['Ada Lovelace'] }),
  post_count: Type.Integer({ minimum: 0, examples: [3] }),
  avg_content_length: Type.Union([Type.Number(), Type.Null()], {
    description: 'Mean length of the posts in characters; null without posts',
    examples: [1284]
  })
}, { $id: 'UserAnalytics', additionalProperties: false, description: 'What a person wrote, in numbers' })

export const UserAnalyticsQuerySchema = cursorPage(`^(?:0|[1-9][0-9]{0,9})_${ID_IN_CURSOR}$`, ['3_42'])

export type UserAnalytics = Static<typeof UserAnalyticsSchema>
