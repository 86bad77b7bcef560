import type { FastifyInstance } from 'fastify'
import { ObjectId, type ChangeStreamDocument, type Document } from 'mongodb'
import type { StreamOptions } from 'fastify-change-stream'
import { mongoDatabase } from '../mongo/index.ts'
import { copyPosts } from './copy-posts.ts'
import { findProgress, withProgress } from './copy-progress.ts'
import { toRow, type PostFields, type PostRow } from './post-row.ts'
import { deleteRows, upsertRows } from './posts-table.ts'
import { recountPosts } from './post-counts.ts'
import { findDead, removePosts } from './dead-authors.ts'
import type { RunSql } from './sql.ts'
import type { Stores } from './stores.ts'
import type { UserDocument } from './user-document.ts'

const TOMBSTONES_AT_ONCE = 1000

interface PostChange extends Document {
  _id: ObjectId
}

const LENGTH = (content: string) => ({ $cond: [{ $eq: [{ $type: content }, 'string'] }, { $strLenCP: content }, 0] })

/**
 * Carries posts to SQL, where lists of users and analytics join them: without their content, only its length in
 * characters.
 */
export function postsToSql (app: FastifyInstance, { engine, fence }: Stores): StreamOptions<PostChange> {
  return {
    collection: () => mongoDatabase(app).collection<PostChange>('posts'),
    pipeline: [
      { $set: { 'fullDocument.content_length': LENGTH('$fullDocument.content') } },
      { $unset: ['fullDocument.content', 'updateDescription'] }
    ],
    apply: async (tx, changes) => {
      const { isEmptied, rows, gone } = toOutcome(changes)
      const dead = await findDead(app, tx, rows.map(({ author_id }) => author_id))
      const kept = rows.filter(({ author_id }) => !dead.has(author_id))
      if (isEmptied) await tx.query('DELETE FROM posts')
      await deleteRows(tx, [...gone, ...rows.filter(({ author_id }) => dead.has(author_id)).map(({ id }) => id)])
      await upsertRows(tx, kept)
      await removePosts(app, dead)
      fence.wake()
    },
    copy: () => Promise.reject(new Error('posts are copied page by page')),
    copyFrom: async () => (await findProgress(app, 'posts'))?.position,
    copyPages: async (run, { collection, session, position }) => {
      const report = await withProgress(app, 'posts', async (course) => {
        const { after } = course.from
        const documents = collection.aggregate<PostFields>([
          ...(after === undefined ? [] : [{ $match: { _id: { $gt: new ObjectId(after) } } }]),
          { $sort: { _id: 1 } },
          { $project: { title: 1, category: 1, author_id: 1, created_at: 1, content_length: LENGTH('$content') } }
        ], { session, readConcern: { level: 'majority' }, batchSize: 500 })
        return await copyPosts(run, documents, course)
      }, position)
      await run((tx) => recountPosts(tx, engine))
      await removeOrphans(app, run)
      return report
    }
  }
}

/** What is left to do once all changes of a batch have happened. */
function toOutcome (
  changes: Array<ChangeStreamDocument<PostChange>>
): { isEmptied: boolean; rows: PostRow[]; gone: string[] } {
  const last = new Map<string, PostRow | undefined>()
  let isEmptied = false
  for (const change of changes) {
    if (change.operationType === 'drop' || change.operationType === 'rename') {
      isEmptied = true
      last.clear()
    } else if (change.operationType === 'delete') {
      last.set(String(change.documentKey._id), undefined)
    } else if (
      change.operationType === 'insert' || change.operationType === 'update' || change.operationType === 'replace'
    ) {
      // Without a document it has been deleted since; that change follows.
      const document = change.fullDocument as PostFields | undefined
      if (document?._id !== undefined) last.set(String(document._id), toRow(document))
    }
  }
  const gone = [...last].filter(([, row]) => row === undefined).map(([id]) => id)
  return { isEmptied, rows: [...last.values()].filter((row) => row !== undefined), gone }
}

/**
 * Posts that slipped in while nobody followed, and so have no change that would be met by a tombstone; their removal is
 * carried over.
 */
async function removeOrphans (app: FastifyInstance, run: RunSql): Promise<void> {
  const tombstones = mongoDatabase(app).collection<UserDocument>('users').find({ _deleted: true }, {
    projection: { _id: 1 }
  })
  let ids: number[] = []
  const remove = async () => {
    await removePosts(app, await run((tx) => findDead(app, tx, ids)))
    ids = []
  }
  for await (const { _id } of tombstones) {
    if (ids.push(_id) === TOMBSTONES_AT_ONCE) await remove()
  }
  await remove()
}
