import { ObjectId } from 'mongodb'
import { categoryPostList, postList, PostSchema, postSummaryList, PostSummarySchema } from '../../schemas/posts.ts'
import type { Documents } from '../mongo/json/find-raw.ts'
import { mongoPages } from '../mongo/json/page-reader.ts'
import { mongoItem, type TextItem } from '../mongo/json/item-reader.ts'
import { compileItem, StrangeDocumentError } from '../mongo/json/strange.ts'
import type { ListRequest } from '../paging/cursor.ts'
import type { Page } from '../paging/page.ts'
import { documentCursor, hasVersion, toPageQuery } from './documents.ts'
import type { Precondition } from './expected-version.ts'
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
  /** Counts the writes; documents of earlier releases have none. */
  version?: number
}
/** A post as clients see it, and the version that its ETag is made of. */
export type Post = Omit<PostDocument, '_id' | 'version'> & { id: string }
export type StoredPost = Post & { version: number }
export interface NewPost {
  title: string
  content: string
  category: string
  author_id: number
  slug?: string
}
/** `slug: null` takes the slug away. */
export type PostChanges = Partial<Omit<NewPost, 'slug'>> & { slug?: string | null }

const readPosts = mongoPages('posts', PostSchema, documentCursor(postList))
const readSummaries = mongoPages('posts', PostSummarySchema, documentCursor(postSummaryList))
const readCategory = mongoPages('posts', PostSchema, documentCursor(categoryPostList))
const readPost = mongoItem<StoredPost>('posts', PostSchema)
const toItem = compileItem(PostSchema)

/** The posts of this author, of this category, or all of them. */
export interface PostFilter {
  author_id?: number
  category?: string
}

export type PostRepository = ReturnType<typeof createPostRepository>

/**
 * Posts in MongoDB.
 * @param db the handle to run on: `request.mongo` on a transaction, or a plain database
 */
export function createPostRepository (db: Documents) {
  const collection = db.collection<PostDocument>('posts')
  return {
    /** Stores a post; a taken slug violates `posts_slug_key`. Whether the author exists is for the caller to know. */
    async create (post: NewPost): Promise<StoredPost> {
      const now = new Date()
      const document = { _id: new ObjectId(), ...post, created_at: now, updated_at: now, version: 1 }
      await collection.insertOne(document)
      return toPost(document)
    },

    async getById (id: string): Promise<StoredPost | null> {
      const document = await collection.findOne({ _id: new ObjectId(id) })
      return document === null ? null : toPost(document)
    },

    /** The same for an answer, as text where that can be had. */
    async read (id: string): Promise<TextItem<StoredPost> | StoredPost | null> {
      const post = await readPost(db, new ObjectId(id))
      return post === undefined ? await this.getById(id) : post
    },

    /** Whole posts, newest first or as asked. */
    async list (page: ListRequest & PostFilter): Promise<Page<Post>> {
      return await readPosts(db, toPageQuery(postList, page), page.limit)
    },

    /** Posts without their content, newest first or as asked; by time they are read from the index alone. */
    async summaries (page: ListRequest): Promise<Page<PostSummary>> {
      return await readSummaries(db, toPageQuery(postSummaryList, page), page.limit)
    },

    /** Whole posts of one category, newest first or as asked. */
    async byCategory (category: string, page: ListRequest): Promise<Page<Post>> {
      return await readCategory(db, toPageQuery(categoryPostList, page, { category }), page.limit)
    },

    /** Changes only the fields that are given; null when there is no such post, or not as it is expected. */
    async update (id: string, changes: PostChanges, expected: Precondition = {}): Promise<StoredPost | null> {
      const filter = { _id: new ObjectId(id), ...hasVersion(expected) }
      const document = await collection.findOneAndUpdate(filter, toUpdate(changes), { returnDocument: 'after' })
      return document === null ? null : toPost(document)
    },

    /** True when there was such a post, as expected. */
    async delete (id: string, expected: Precondition = {}): Promise<boolean> {
      const { deletedCount } = await collection.deleteOne({ _id: new ObjectId(id), ...hasVersion(expected) })
      return deletedCount > 0
    }
  }
}

function toUpdate ({ slug, ...changes }: PostChanges) {
  const $set = { ...changes, ...(typeof slug === 'string' ? { slug } : {}), updated_at: new Date() }
  const $inc = { version: 1 }
  return slug === null ? { $set, $inc, $unset: { slug: '' } as const } : { $set, $inc }
}

/** @throws StrangeDocumentError for a document that was written past the validator, or before it */
function toPost (document: PostDocument): StoredPost {
  const { _id: id, version = 0 } = document
  const item = toItem(document)
  if (typeof item === 'string') throw new StrangeDocumentError('posts', { id, reason: item })
  if (!Number.isSafeInteger(version) || version < 0) {
    throw new StrangeDocumentError('posts', { id, reason: 'its version is no whole number' })
  }
  return { ...(item as unknown as Post), version }
}
