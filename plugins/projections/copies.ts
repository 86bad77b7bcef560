import type { FastifyInstance } from 'fastify'
import type { CopyReport } from 'fastify-change-stream'
import { copyUsers } from './copy-users.ts'
import { postsToSql } from './posts-to-sql.ts'
import type { Stores } from './stores.ts'
import { showsUser, usersToMongo } from './users-to-mongo.ts'

/** What is known of a copy that one store holds of the other's data. */
export interface Copy {
  /** Home and copy, for people. */
  direction: string
  /** Begins to carry over what changes. */
  follow: (app: FastifyInstance, stores: Stores) => void
  /** Compares and repairs the whole. */
  resync: (app: FastifyInstance, stores: Stores) => Promise<CopyReport>
}

export type CopyName = keyof typeof copies

/** Every copy that one store holds of the other's data, by the name of its topic or stream. */
export const copies = {
  users: {
    direction: 'PostgreSQL → MongoDB',
    follow: (app, stores) => {
      app.outbox.on('users', usersToMongo(app, stores), {
        bothEnds: true,
        shows: (key, event) => showsUser(app, key, event)
      })
    },
    resync: copyUsers
  },
  posts: {
    direction: 'MongoDB → PostgreSQL',
    follow: (app, stores) => {
      app.changeStream.follow('posts', postsToSql(app, stores))
    },
    resync: (app) => app.changeStream.resync('posts')
  }
} satisfies Record<string, Copy>
