import { Type } from '@sinclair/typebox'
import { UserSummarySchema, type UserSummary } from '../../schemas/users.ts'
import { MAX_TIME_MS, type Documents } from '../mongo/json/find-raw.ts'
import { mongoPages } from '../mongo/json/page-reader.ts'
import type { Page, PageRequest } from '../paging/page.ts'

interface Count {
  _id: number
  count: number
}

const PersonSchema = Type.Omit(UserSummarySchema, ['post_count'])

const readPage = mongoPages('users', PersonSchema, ({ id }) => String(id))

export type UserSummaryRepository = ReturnType<typeof createUserSummaryRepository>

/**
 * Users with the number of their posts, from MongoDB alone: users are the projection there, posts are the original.
 * @param db the handle to run on
 */
export function createUserSummaryRepository (db: Documents) {
  return {
    /**
     * By user id: first the page, then the posts of its users, in one command each. The cursor is the last user id.
     */
    async list ({ limit, skip, after }: PageRequest<number>): Promise<Page<UserSummary, string>> {
      const filter = { _deleted: { $ne: true }, ...(after === undefined ? {} : { _id: { $gt: after } }) }
      const from = skip === undefined || after !== undefined ? {} : { skip }
      const { items: people, ...page } = await readPage(db, { filter, sort: { _id: 1 }, ...from }, limit)
      const counts = await countPosts(db, people)
      const items = people.map((person) => ({ ...person, post_count: counts.get(person.id) ?? 0 }))
      const { json: _, ...rest } = page
      return { ...rest, items }
    }
  }
}

/**
 * The posts of each author. A page holds neighbours, so its posts are one stretch of the index on author_id: it is read
 * from end to end, and no post is looked at.
 */
async function countPosts (db: Documents, people: Array<{ id: number }>): Promise<Map<number, number>> {
  const [first, last] = [people[0], people.at(-1)]
  if (first === undefined || last === undefined) return new Map()
  const counts = await db.collection('posts').aggregate<Count>([
    { $match: { author_id: { $gte: first.id, $lte: last.id } } },
    { $sort: { author_id: 1 } },
    { $group: { _id: '$author_id', count: { $sum: 1 } } }
  ], { maxTimeMS: MAX_TIME_MS, batchSize: people.length + 1 }).toArray()
  return new Map(counts.map(({ _id, count }) => [_id, count]))
}
