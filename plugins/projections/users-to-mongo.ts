import type { FastifyInstance } from 'fastify'
import { mongoDatabase } from '../mongo/index.ts'
import { projectToMongo, type Apply, type Projected } from 'fastify-outbox'

/** What the triggers on `users` write into the outbox. */
export interface UserEvent {
  id: number
  version: number
  name?: string
  email?: string
  deleted?: boolean
}

/** A user as MongoDB has it; `_v` is the version in SQL, `_deleted` marks one who is gone. */
export type UserDocument = Projected<number> & { name?: string; email?: string }

/** Carries users to MongoDB, where /users/summary joins them with their posts. The posts of a deleted user go with them. */
export function usersToMongo (app: FastifyInstance): Apply {
  const collection = () => mongoDatabase(app).collection<UserDocument>('users')
  const project = projectToMongo<number, UserEvent>({
    collection,
    id: ({ payload }) => payload.id,
    version: ({ payload }) => payload.version,
    document: ({ payload: { deleted, name, email } }) => deleted === true ? null : { name, email }
  })
  return async function applyUsers (events, context) {
    const failures = await project(events, context) ?? []
    const failed = new Set(failures.map(({ id }) => id))
    const gone = events.filter(({ id, payload }) => (payload as UserEvent).deleted === true && !failed.has(id)).map((
      { payload }
    ) => (payload as UserEvent).id)
    // After the tombstones: a post that arrives later meets a tombstone when it is carried to SQL.
    if (gone.length > 0) await mongoDatabase(app).collection('posts').deleteMany({ author_id: { $in: gone } })
    return failures
  }
}
