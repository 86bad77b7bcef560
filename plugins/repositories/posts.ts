import { ObjectId } from 'mongodb'
import { PostSchema, PostSummarySchema } from '../../schemas/posts.ts'
import { mongoPages, type Documents } from '../mongo/json/page-reader.ts'
import { toTimestampCursor, parseTimestampCursor, type Page, type PageRequest } from '../paging/page.ts'
import type { PostSummary } from './users.ts'

/** A post as MongoDB keeps it. */
export interface PostDocument {
  _id: ObjectId
  title: string
  content: string
  category: string
  author_id: number
  slug?: string
  created_at: Date
  updated_at: Date
}
/** A post as clients see it. */
export type Post = Omit<PostDocument, '_id'> & { id: string }
export interface NewPost {
  title: string
  content: string
  category: string
  author_id: number
  slug?: string
}
/** `slug: null` takes the slug away. */
export type PostChanges = Partial<Omit<NewPost, 'slug'>> & { slug?: string | null }

const newestFirst = { created_at: -1, _id: -1 } as const
const getCursor = ({ created_at, id }: PostSummary) => toTimestampCursor(created_at, id)
const readPosts = mongoPages('posts', PostSchema, getCursor)
const readSummaries = mongoPages('posts', PostSummarySchema, getCursor)

export type PostRepository = ReturnType<typeof createPostRepository>

/**
 * Posts in MongoDB.
 * @param db the handle to run on: `request.mongo` on a transaction, or a plain database
 */
export function createPostRepository (db: Documents) {
  const collection = db.collection<PostDocument>('posts')
  return {
    /** Stores a post; a taken slug violates `posts_slug_key`. Whether the author exists is for the caller to know. */
    async create (post: NewPost): Promise<Post> {
      const now = new Date()
      const document = { _id: new ObjectId(), ...post, created_at: now, updated_at: now }
      await collection.insertOne(document)
      return toPost(document)
    },

    async getById (id: string): Promise<Post | null> {
      const document = await collection.findOne({ _id: new ObjectId(id) })
      return document === null ? null : toPost(document)
    },

    /** Whole posts, newest first. */
    async list (page: PageRequest): Promise<Page<Post>> {
      return await readPosts(db, { filter: olderThan(page.after), sort: newestFirst, ...getSkip(page) }, page.limit)
    },

    /** Posts without their content, newest first; read from the index alone. */
    async summaries (page: PageRequest): Promise<Page<PostSummary>> {
      return await readSummaries(db, { filter: olderThan(page.after), sort: newestFirst, ...getSkip(page) }, page.limit)
    },

    /** Whole posts of one category, newest first. */
    async byCategory (category: string, page: PageRequest): Promise<Page<Post>> {
      return await readPosts(db, {
        filter: { category, ...olderThan(page.after) },
        sort: newestFirst,
        ...getSkip(page)
      }, page.limit)
    },

    /** Changes only the fields that are given. */
    async update (id: string, changes: PostChanges): Promise<Post | null> {
      const document = await collection.findOneAndUpdate(
        { _id: new ObjectId(id) },
        toUpdate(changes),
        { returnDocument: 'after' }
      )
      return document === null ? null : toPost(document)
    },

    /** True when there was such a post. */
    async delete (id: string): Promise<boolean> {
      const { deletedCount } = await collection.deleteOne({ _id: new ObjectId(id) })
      return deletedCount > 0
    }
  }
}

function toUpdate ({ slug, ...changes }: PostChanges) {
  const $set = { ...changes, ...(typeof slug === 'string' ? { slug } : {}), updated_at: new Date() }
  return slug === null ? { $set, $unset: { slug: '' } as const } : { $set }
}

function toPost ({ _id, ...post }: PostDocument): Post {
  return { id: _id.toHexString(), ...post }
}

function getSkip ({ skip, after }: PageRequest): { skip?: number } {
  return skip === undefined || after !== undefined ? {} : { skip }
}

// The first condition bounds the scan of the index, the second leaves out what shares the moment and came before.
function olderThan (after: string | undefined): object {
  if (after === undefined) return {}
  const { createdAt, id } = parseTimestampCursor(after)
  return {
    created_at: { $lte: createdAt },
    $or: [{ created_at: { $lt: createdAt } }, { _id: { $lt: new ObjectId(id) } }]
  }
}
