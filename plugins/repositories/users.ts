import { and, asc, desc, eq, getTableColumns, gt, sql, type Placeholder, type SQL } from 'drizzle-orm'
import type { Database, Dialect, Tables } from '../../drizzle/index.ts'
import { PostSummarySchema } from '../../schemas/posts.ts'
import { UserWithPostsSchema } from '../../schemas/users.ts'
import { getRowLimit, type Page, type PageRequest } from '../paging/page.ts'
import { textList } from '../sql/json/list.ts'
import { sqlPages } from '../sql/json/page-reader.ts'
import { defineQueries, type Params } from '../../drizzle/prepared/queries.ts'
import { isExpected, toVersionLists, type Precondition, type VersionLists } from './expected-version.ts'

/** A user as clients see it; writes also return the `version`, by which the outbox is waited for. */
export type User = Omit<Tables['users']['$inferSelect'], 'version'>
export type StoredUser = Tables['users']['$inferSelect']
export interface NewUser {
  email: string
  name: string
}
export interface UserChanges {
  email?: string
  name?: string
}
/** A post as lists show it, without its content. */
export type PostSummary = Omit<Tables['posts']['$inferSelect'], 'content_length'>
export interface UserWithPosts extends User {
  posts: PostSummary[]
}
/** The users whose e-mail is this, or all of them. */
export interface UserFilter {
  email?: string
}

/** Posts that a list shows of one user: the newest ones, so that a page has an end. */
export const POSTS_PER_USER = 100

interface Changes {
  id: number
  email: string | null
  name: string | null
}

// A page of users with their posts in one statement, however many there are of either.
function withPosts (
  db: Database,
  dialect: Dialect,
  { where, limit, skip, rows }: { where?: SQL; limit?: Placeholder; skip?: Placeholder; rows: Placeholder }
) {
  const { users, posts } = dialect.tables
  const { version, ...user } = getTableColumns(users)
  let chosen = db.select(user).from(users).where(where).orderBy(asc(users.id)).$dynamic()
  if (limit !== undefined) chosen = chosen.limit(limit)
  if (skip !== undefined) chosen = chosen.offset(skip)
  return textList(db, dialect, db.$with('page').as(chosen), {
    schema: UserWithPostsSchema,
    keys: ({ id }) => ({ id }),
    order: ({ id }) => [asc(id)],
    part: {
      name: 'posts',
      schema: PostSummarySchema,
      columns: getTableColumns(posts),
      parent: posts.author_id,
      order: [desc(posts.created_at), desc(posts.id)],
      limit: POSTS_PER_USER,
      rows
    }
  })
}

const toUsers = sqlPages('users', UserWithPostsSchema, ({ id }: { id: number }) => id, { posts: PostSummarySchema })

const queries = defineQueries('users', (db, { users }, dialect) => {
  const { now, fold, version: next } = dialect
  const { version, ...user } = getTableColumns(users)

  // E-mails are kept as they were given, and found whatever the case of their letters.
  function hasEmail (email: Placeholder): SQL {
    return sql`${fold(users.email)} = ${fold(email)}`
  }

  // A field that is not given stays as it is.
  function changed ({ email, name }: Pick<Params<Changes>, 'email' | 'name'>) {
    return {
      email: sql`coalesce(${email}, ${users.email})`,
      name: sql`coalesce(${name}, ${users.name})`,
      updated_at: now,
      version: next
    }
  }

  return {
    create: ({ email, name }: Params<NewUser>) =>
      db.insert(users).values({ email, name, version: next }).returning({ ...user, version }),
    byId: ({ id }: Params<{ id: number }>) => db.select({ ...user, version }).from(users).where(eq(users.id, id)),
    byEmail: ({ email }: Params<{ email: string }>) => db.select(user).from(users).where(hasEmail(email)),
    list: ({ limit, skip, rows }: Params<{ limit: number; skip: number; rows: number }>) =>
      withPosts(db, dialect, { limit, skip, rows }),
    listAfter: ({ limit, after, rows }: Params<{ limit: number; after: number; rows: number }>) =>
      withPosts(db, dialect, { where: gt(users.id, after), limit, rows }),
    listByEmail: ({ email, rows }: Params<{ email: string; rows: number }>) =>
      withPosts(db, dialect, { where: hasEmail(email), rows }),
    update: ({ id, email, name }: Params<Changes>) =>
      db.update(users).set(changed({ email, name })).where(eq(users.id, id)).returning({ ...user, version }),
    updateIf: ({ id, email, name, match, noneMatch }: Params<Changes & VersionLists>) =>
      db.update(users).set(changed({ email, name })).where(
        and(eq(users.id, id), isExpected(users.version, { match, noneMatch }))
      ).returning({ ...user, version }),
    delete: ({ id }: Params<{ id: number }>) => db.delete(users).where(eq(users.id, id)).returning({ id: users.id }),
    deleteIf: ({ id, match, noneMatch }: Params<{ id: number } & VersionLists>) =>
      db.delete(users).where(and(eq(users.id, id), isExpected(users.version, { match, noneMatch })))
        .returning({ id: users.id })
  }
})

export type UserRepository = ReturnType<typeof createUserRepository>

/**
 * Users in the SQL database.
 * @param db the handle to run on: `request.db`, `app.db`, a savepoint
 */
export function createUserRepository (db: Database) {
  const run = queries.on(db)
  return {
    /** Stores a user; a taken e-mail violates `users_email_key`. */
    async create (user: NewUser): Promise<StoredUser> {
      const [created] = await run.create(user)
      return created as StoredUser
    },

    async getById (id: number): Promise<StoredUser | null> {
      const [user] = await run.byId({ id })
      return user ?? null
    },

    async getByEmail (email: string): Promise<User | null> {
      const [user] = await run.byEmail({ email })
      return user ?? null
    },

    /** Users by id, each with the newest of its posts: always one statement. */
    async list (page: PageRequest<number> & UserFilter): Promise<Page<UserWithPosts, number>> {
      const { skip = 0, after, email } = page
      const limits = { limit: page.limit + 1, rows: getRowLimit(page) }
      const rows = email !== undefined
        ? await run.listByEmail({ email, rows: limits.rows })
        : after === undefined
        ? await run.list({ ...limits, skip })
        : await run.listAfter({ ...limits, after })
      const left = email === undefined ? rows : rows.slice(skip).filter(({ id }) => after === undefined || id > after)
      return toUsers(left, page)
    },

    /** Changes only the fields that are given; null when there is no such user, or not as it is expected. */
    async update (id: number, { email, name }: UserChanges, expected: Precondition = {}): Promise<StoredUser | null> {
      const changes = { id, email: email ?? null, name: name ?? null }
      const lists = toVersionLists(expected)
      const [user] = lists === undefined ? await run.update(changes) : await run.updateIf({ ...changes, ...lists })
      return user ?? null
    },

    /** True when there was such a user, as expected; orders that refer to it violate `orders_user_id_fkey`. */
    async delete (id: number, expected: Precondition = {}): Promise<boolean> {
      const lists = toVersionLists(expected)
      const rows = lists === undefined ? await run.delete({ id }) : await run.deleteIf({ id, ...lists })
      return rows.length > 0
    }
  }
}
