import type { FastifyInstance } from 'fastify'
import { mongoDatabase } from '../mongo/index.ts'
import { projectToMongo, type Apply, type OutboxEvent } from 'fastify-outbox'
import { findDead, removePosts } from './dead-authors.ts'
import type { Stores } from './stores.ts'
import type { UserDocument } from './user-document.ts'

/** What the triggers on `users` write into the outbox. */
export interface UserEvent {
  id: number
  version: number
  name?: string
  email?: string
  deleted?: boolean
}

/**
 * Carries users to MongoDB, where /users/summary joins them with their posts. The posts of a deleted user go with them.
 */
export function usersToMongo (app: FastifyInstance, stores: Stores): Apply {
  const collection = () => mongoDatabase(app).collection<UserDocument>('users')
  const project = projectToMongo<number, UserEvent>({
    collection,
    id: ({ payload }) => payload.id,
    version: ({ payload }) => payload.version,
    document: ({ payload: { deleted, name, email } }) => deleted === true ? null : { name, email },
    onIgnored: async (ignored) => {
      await stores.fence.explain(Math.max(...ignored.map(({ _v = 0 }) => _v)))
    }
  })
  return async function applyUsers (events, context) {
    const failures = await project(events, context) ?? []
    stores.fence.wake()
    const failed = new Set(failures.map(({ id }) => id))
    const gone = (events as Array<OutboxEvent<UserEvent>>).filter(({ id, payload }) =>
      payload.deleted === true && !failed.has(id)
    )
    // After the tombstones: a post that arrives later meets a tombstone when it is carried to SQL.
    if (gone.length > 0) {
      const authors = gone.map(({ payload }) => payload.id)
      const dead = await stores.transaction((sql) => findDead(app, sql, authors))
      await removePosts(app, dead)
    }
    return failures
  }
}

/** Whether the copy of a user is as new as an event: the id of the event is the user's version. */
export async function showsUser (app: FastifyInstance, key: string, event: string): Promise<boolean> {
  const found = await mongoDatabase(app).collection<UserDocument>('users').findOne({
    _id: Number(key),
    _v: { $gte: Number(event) }
  }, { projection: { _id: 1 } })
  return found !== null
}
