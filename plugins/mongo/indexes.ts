import type { IndexDescription } from 'mongodb'
import type { ConstraintProblem } from '../../drizzle/constraints.ts'

interface Index extends IndexDescription {
  name: string
  /** What a client is told when a unique index refuses its document. */
  problem?: ConstraintProblem
}

/** Indexes by collection. Lists are read newest first, so each ends in the order of the list. */
export const indexes: Record<string, Index[]> = {
  posts: [
    // With all that a summary shows, so that summaries never touch a document.
    { name: 'posts_created_at_idx', key: { created_at: -1, _id: -1, title: 1, category: 1, author_id: 1 } },
    { name: 'posts_category_created_at_idx', key: { category: 1, created_at: -1, _id: -1 } },
    { name: 'posts_author_id_created_at_idx', key: { author_id: 1, created_at: -1, _id: -1 } },
    {
      name: 'posts_slug_key',
      key: { slug: 1 },
      unique: true,
      partialFilterExpression: { slug: { $exists: true } },
      problem: { pointer: '/slug', detail: 'Post with this slug already exists' }
    }
  ],
  users: [
    // A late event must find the tombstone of a deleted user; after a week none comes.
    { name: 'users_deleted_at_idx', key: { _deleted_at: 1 }, expireAfterSeconds: 7 * 24 * 3600 }
  ],
  idempotency_keys: [{ name: 'idempotency_keys_expires_at_idx', key: { expires_at: 1 }, expireAfterSeconds: 0 }]
}

/** Name of a unique index → what its violation means to a client. */
export const indexProblems: Record<string, ConstraintProblem> = Object.fromEntries(
  Object.values(indexes).flat().flatMap(({ name, problem }) => problem === undefined ? [] : [[name, problem]])
)
