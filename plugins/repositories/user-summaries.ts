import { UserSummarySchema, type UserSummary } from '../../schemas/users.ts'
import { mongoPages, type Documents } from '../mongo/json/page-reader.ts'
import type { Page, PageRequest } from '../paging/page.ts'

const readPage = mongoPages('users', UserSummarySchema, ({ id }) => String(id))

// Counting runs over the index on author_id alone; no post is looked at.
const countPosts = [
  {
    $lookup: {
      from: 'posts',
      localField: '_id',
      foreignField: 'author_id',
      pipeline: [{ $count: 'count' }],
      as: 'posts'
    }
  },
  { $project: { name: 1, email: 1, post_count: { $ifNull: [{ $first: '$posts.count' }, 0] } } }
]

export type UserSummaryRepository = ReturnType<typeof createUserSummaryRepository>

/**
 * Users with the number of their posts, from MongoDB alone: users are the projection there, posts are the original.
 * @param db the handle to run on
 */
export function createUserSummaryRepository (db: Documents) {
  return {
    /**
     * By user id. The page is cut first, so that posts are counted for its users only. The cursor is the last user id.
     */
    async list ({ limit, skip = 0, after }: PageRequest<number>): Promise<Page<UserSummary, string>> {
      const $match = { _deleted: { $ne: true }, ...(after === undefined ? {} : { _id: { $gt: after } }) }
      const stages = (offset: number) => [
        { $match },
        { $sort: { _id: 1 } },
        ...(skip + offset === 0 ? [] : [{ $skip: skip + offset }]),
        { $limit: limit + 1 },
        ...countPosts
      ]
      return await readPage(db, { stages }, limit)
    }
  }
}
