import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import changeStream, { type CopyReport } from 'fastify-change-stream'
import outbox, { isTransient } from 'fastify-outbox'
import { copyUsers } from './copy-users.ts'
import { postsToSql } from './posts-to-sql.ts'
import { openStores, type Stores } from './stores.ts'
import { usersToMongo } from './users-to-mongo.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /** The copies that each store holds of the other's data. */
    projections: Projections
  }
}

export interface Projections {
  /**
   * Compares a copy with its original and repairs it, beside everything else.
   * @param name a key of `copies`
   * @returns what was repaired: how many were `missing`, `different` or `extra`
   */
  resync: (name: CopyName) => Promise<CopyReport>
}

export type CopyName = keyof typeof copies

interface Copy {
  /** Home and copy, for people. */
  direction: string
  /** Begins to carry over what changes. */
  follow: (app: FastifyInstance) => void
  /** Compares and repairs the whole. */
  resync: (app: FastifyInstance, stores: Stores) => Promise<CopyReport>
}

/** Every copy that one store holds of the other's data, by the name of its topic or stream. */
export const copies = {
  users: {
    direction: 'PostgreSQL → MongoDB',
    follow: (app) => {
      app.outbox.on('users', usersToMongo(app))
    },
    resync: copyUsers
  },
  posts: {
    direction: 'MongoDB → PostgreSQL',
    follow: (app) => {
      app.changeStream.follow('posts', postsToSql(app))
    },
    resync: (app) => app.changeStream.resync('posts')
  }
} satisfies Record<string, Copy>

/**
 * Keeps users in MongoDB and posts in SQL equal to their originals: users by the outbox, posts by a change stream. Only
 * these two write there. Not loaded where a test's double stands in for a database.
 */
export default fp(async function projections (app) {
  const stores = app.doubles.db || app.doubles.mongo ? undefined : openStores(app)
  if (stores === undefined) return
  const isOn = app.config.PROJECTIONS && !app.offline
  await app.register(outbox, {
    store: stores.outbox,
    relay: isOn,
    measureInterval: app.offline ? 0 : 5000,
    isTransient: (error) => isTransient(error) || isDown(error)
  })
  await app.register(changeStream, { store: stores.streams, follow: isOn })
  for (const { follow } of Object.values(copies)) follow(app)
  app.decorate('projections', {
    resync: (name) => {
      const copy: Copy = copies[name]
      return copy.resync(app, stores)
    }
  })
}, { name: 'projections', dependencies: ['config', 'sql', 'mongo', 'migrations'], fastify: '5.x' })

/** What the mongo plugin throws at once while MongoDB is known to be down. */
function isDown (error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'DATABASE_DOWN'
}
