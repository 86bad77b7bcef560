import { sql } from 'drizzle-orm'
import type { Database } from '../../drizzle/index.ts'
import { MAX_ID } from '../../schemas/common.ts'
import { toPage, type Page, type PageRequest } from '../paging/page.ts'
import { defineQueries, type Params } from '../../drizzle/prepared/queries.ts'

/** Largest number of the type `integer`, as which posts are counted. */
const MAX_COUNT = 2_147_483_647

/** What a user has written, in numbers; the average is null without posts. */
export interface UserAnalytics {
  id: number
  name: string
  post_count: number
  avg_content_length: number | null
}

type Row = Omit<UserAnalytics, 'id'> & { id: number | string }

// Posts are grouped before users are joined: the index on (author_id, content_length) holds all that is needed of them.
const queries = defineQueries('user_analytics', () => {
  const counted =
    sql`select author_id, cast(count(*) as integer) as post_count, cast(avg(content_length) as double precision) as average
    from posts group by author_id`
  const report = sql`select u.id, u.name, coalesce(p.post_count, 0) as post_count, p.average as avg_content_length
    from users u left join (${counted}) p on p.author_id = u.id`
  const order = sql`order by coalesce(p.post_count, 0) desc, u.id`

  return {
    list: ({ limit, skip }: Params<{ limit: number; skip: number }>) =>
      sql<Row>`${report} ${order} limit ${limit} offset ${skip}`,
    listAfter: ({ limit, count, id }: Params<{ limit: number; count: number; id: number }>) =>
      sql<Row>`${report}
      where coalesce(p.post_count, 0) < ${count} or (coalesce(p.post_count, 0) = ${count} and u.id > ${id}) ${order} limit ${limit}`
  }
})

export type UserAnalyticsRepository = ReturnType<typeof createUserAnalyticsRepository>

/**
 * Numbers about users and their posts, from the projection of posts in the SQL database: as fresh as that is.
 * @param db the handle to run on
 */
export function createUserAnalyticsRepository (db: Database) {
  const run = queries.on(db)
  return {
    /** Those who wrote most first. The cursor is `<post count>_<user id>`. */
    async list ({ limit, skip = 0, after }: PageRequest): Promise<Page<UserAnalytics>> {
      const wanted = limit + 1
      const rows = after === undefined
        ? await run.list({ limit: wanted, skip })
        : await run.listAfter({ limit: wanted, ...toPlace(after) })
      // What is read without Drizzle's columns is what the driver makes of bigint: text, in a pool of somebody else.
      return toPage(
        rows.map((row) => ({ ...row, id: Number(row.id) })),
        limit,
        ({ post_count, id }) => `${post_count}_${id}`
      )
    }
  }
}

// Nobody has more posts, nor a larger id, so a cursor from beyond means the same as one from just below.
function toPlace (after: string): { count: number; id: number } {
  const [count, id] = after.split('_').map(Number)
  return { count: Math.min(count ?? 0, MAX_COUNT), id: Math.min(id ?? 0, MAX_ID) }
}
