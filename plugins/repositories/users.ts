import { and, eq, getTableColumns, sql, type Placeholder, type SQL, type SQLWrapper } from 'drizzle-orm'
import type { Database, Dialect, Tables } from '../../drizzle/index.ts'
import { PostSummarySchema } from '../../schemas/posts.ts'
import { userList, UserWithPostsSchema } from '../../schemas/users.ts'
import type { ListRequest } from '../paging/cursor.ts'
import type { Page } from '../paging/page.ts'
import { sqlList } from '../sql/lists/sql-list.ts'
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

// A page of users with their posts is one statement, however many there are of either.
const pages = sqlList(userList, {
  name: 'users',
  schema: UserWithPostsSchema,
  table: ({ users }) => users,
  compare: { email: hasEmail },
  part: {
    name: 'posts',
    schema: PostSummarySchema,
    from: ({ posts }) => ({
      columns: getTableColumns(posts),
      parent: posts.author_id,
      order: [{ column: posts.created_at, isDescending: true }, { column: posts.id, isDescending: true }],
      limit: POSTS_PER_USER
    })
  }
})

const queries = defineQueries('users', (db, { users }, dialect) => {
  const { now, version: next } = dialect
  const { version, ...user } = getTableColumns(users)

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
    byEmail: ({ email }: Params<{ email: string }>) =>
      db.select(user).from(users).where(hasEmail(users.email, email, dialect)),
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
  const readPage = pages.on(db)
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

    /** Users by id or as asked, each with the newest of its posts: always one statement. */
    async list (page: ListRequest & UserFilter): Promise<Page<UserWithPosts>> {
      return await readPage(page)
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

// E-mails are kept as they were given, and found whatever the case of their letters.
function hasEmail (column: SQLWrapper, email: Placeholder, { fold }: Dialect): SQL {
  return sql`${fold(column)} = ${fold(email)}`
}
