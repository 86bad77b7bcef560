import type { FastifyInstance } from 'fastify'
import { mongoDatabase } from '../mongo/index.ts'
import type { Sql } from './sql.ts'
import type { UserDocument } from './user-document.ts'

/** Author → version of the deletion. */
export type Dead = Map<number, number>

/**
 * Those of the authors who are known to be deleted: MongoDB has a tombstone that an event of this very user left, SQL
 * has no such user, and no newer event about one is on its way or parked. A user who is merely absent, from either
 * store, is not dead.
 * @param sql a connection that leads to the pair's SQL database
 */
export async function findDead (app: FastifyInstance, sql: Sql, authors: number[]): Promise<Dead> {
  const ids = [...new Set(authors)]
  if (ids.length === 0) return new Map()
  const users = mongoDatabase(app).collection<UserDocument>('users')
  const tombstones = await users.find({ _id: { $in: ids }, _deleted: true, _absent: { $ne: true } }, {
    projection: { _v: 1 }
  }).toArray()
  if (tombstones.length === 0) return new Map()
  const dead: Dead = new Map(tombstones.map(({ _id, _v }) => [_id, _v ?? 0]))
  const { living, newest } = await askSql(sql, [...dead.keys()])
  for (const [id, version] of dead) {
    if (living.has(id) || (newest.get(id) ?? 0) > version) dead.delete(id)
  }
  return dead
}

async function askSql (sql: Sql, ids: number[]): Promise<{ living: Set<number>; newest: Map<number, number> }> {
  const places = ids.map((_id, at) => `$${at + 1}`).join()
  const users = await sql.query(`SELECT id FROM users WHERE id IN (${places})`, ids)
  // Users first: one who comes between the two statements is seen as an event.
  const events = await sql.query(
    `SELECT key, max(id) AS newest FROM outbox WHERE topic = 'users' AND key IN (${places}) GROUP BY key`,
    ids.map(String)
  )
  return {
    living: new Set((users.rows as Array<{ id: number }>).map(({ id }) => id)),
    newest: new Map((events.rows as Array<{ key: string; newest: string | number }>).map((
      { key, newest }
    ) => [Number(key), Number(newest)]))
  }
}

/**
 * Removes the posts of deleted users from their home; says so, author by author.
 * @returns how many posts went
 */
export async function removePosts (app: FastifyInstance, dead: Dead): Promise<number> {
  let removed = 0
  for (const [author, version] of dead) {
    const { deletedCount } = await mongoDatabase(app).collection('posts').deleteMany({ author_id: author })
    if (deletedCount === 0) continue
    removed += deletedCount
    app.log.info({ projection: { author, version, posts: deletedCount } }, 'the posts of a deleted user were removed')
  }
  app.projections.removedPosts += removed
  return removed
}
