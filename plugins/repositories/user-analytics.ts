import { asc, desc, sql, type Placeholder } from 'drizzle-orm'
import type { Database, Dialect } from '../../drizzle/index.ts'
import { MAX_ID } from '../../schemas/common.ts'
import { UserAnalyticsSchema, type UserAnalytics } from '../../schemas/user-analytics.ts'
import type { Page, PageRequest } from '../paging/page.ts'
import { defineQueries, type Params } from '../../drizzle/prepared/queries.ts'
import { textList } from '../sql/json/list.ts'
import { sqlPages } from '../sql/json/page-reader.ts'

/** Largest number of the type `integer`, as which posts are counted. */
const MAX_COUNT = 2_147_483_647

/** Behind which user a page begins, and how many rows it has and leaves out. */
interface Place {
  count: number
  id: number
  limit: number
  skip: number
}

// Those with posts come out of the index on their number; users without any follow by id, and are looked for only where
// the page has room for them.
function ranked (db: Database, dialect: Dialect, { count, id, limit, skip }: { [Name in keyof Place]: Placeholder }) {
  const { users, authorPostCounts: counts } = dialect.tables
  const authors = sql`select ${users.id} as id, ${users.name} as name, ${counts.post_count} as post_count,
    cast(${counts.content_length} as double precision) / ${counts.post_count} as avg_content_length
    from ${counts} join ${users} on ${users.id} = ${counts.author_id}
    where ${counts.post_count} <= ${count} and (${counts.post_count} < ${count} or ${counts.author_id} > ${id})
    order by ${counts.post_count} desc, ${counts.author_id} limit cast(${limit} as integer) + cast(${skip} as integer)`
  const others =
    sql`select ${users.id} as id, ${users.name} as name, 0 as post_count, cast(null as double precision) as avg_content_length from ${users}
    where ${users.id} > case when ${count} > 0 then 0 else cast(${id} as bigint) end
    and not exists (select 1 from ${counts} where ${counts.author_id} = ${users.id})
    order by ${users.id} limit (select cast(${limit} as integer) + cast(${skip} as integer) - count(*) from authors)`
  const page = db.$with('page', {
    id: users.id,
    name: users.name,
    post_count: counts.post_count,
    avg_content_length: sql<number | null>`avg_content_length`.as('avg_content_length')
  }).as(sql`with authors as (${authors}), others as (${others})
    select * from authors union all select * from others order by post_count desc, id limit ${limit} offset ${skip}`)
  return textList(db, dialect, page, {
    schema: UserAnalyticsSchema,
    keys: ({ id, post_count }) => ({ id, post_count }),
    order: ({ id, post_count }) => [desc(post_count), asc(id)]
  })
}

const queries = defineQueries('user_analytics', (db, _tables, dialect) => ({
  list: (place: Params<Place>) => ranked(db, dialect, place)
}))

const toAnalytics = sqlPages(
  'users',
  UserAnalyticsSchema,
  ({ id, post_count }: { id: number; post_count: number }) => `${post_count}_${id}`
)

export type UserAnalyticsRepository = ReturnType<typeof createUserAnalyticsRepository>

/**
 * Numbers about users and their posts, from what is counted of the projection of posts in the SQL database: as fresh as
 * that is.
 * @param db the handle to run on
 */
export function createUserAnalyticsRepository (db: Database) {
  const run = queries.on(db)
  return {
    /** Those who wrote most first. The cursor is `<post count>_<user id>`. */
    async list ({ limit, skip = 0, after }: PageRequest): Promise<Page<UserAnalytics>> {
      const from = after === undefined ? { count: MAX_COUNT, id: 0, skip } : { ...toPlace(after), skip: 0 }
      return toAnalytics(await run.list({ limit: limit + 1, ...from }), { limit })
    }
  }
}

// Nobody has more posts, nor a larger id, so a cursor from beyond means the same as one from just below.
function toPlace (after: string): { count: number; id: number } {
  const [count, id] = after.split('_').map(Number)
  return { count: Math.min(count ?? 0, MAX_COUNT), id: Math.min(id ?? 0, MAX_ID) }
}
