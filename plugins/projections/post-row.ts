import type { ObjectId } from 'mongodb'
import { FIRST_TIMESTAMP, LAST_TIMESTAMP, MAX_ID } from '../../schemas/common.ts'

/** A post without its content, as MongoDB gives it; other writers may have left out or mistyped anything. */
export interface PostFields {
  _id: ObjectId
  title?: unknown
  category?: unknown
  author_id?: unknown
  created_at?: unknown
  content_length?: unknown
}

/** A row of the table `posts`. */
export interface PostRow {
  id: string
  author_id: number
  title: string
  category: string
  content_length: number
  created_at: string
}

/** What an `integer` column holds. */
const LARGEST = 2_147_483_647

/**
 * The row of a post. Never throws and always fits its columns: a document that could not be carried over would hold up
 * all others.
 */
export function toRow ({ _id, title, category, author_id, created_at, content_length }: PostFields): PostRow {
  return {
    id: String(_id),
    author_id: integer(author_id, MAX_ID),
    title: text(title),
    category: text(category),
    content_length: integer(content_length, LARGEST),
    created_at: toIsoTimestamp(created_at)
  }
}

function integer (value: unknown, largest: number): number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= largest ? value : 0
}

// PostgreSQL stores no NUL.
function text (value: unknown): string {
  return typeof value === 'string' ? value.replaceAll('\0', '\uFFFD') : ''
}

function toIsoTimestamp (value: unknown): string {
  const time = value instanceof Date ? value.getTime() : Number.NaN
  return new Date(time >= FIRST_TIMESTAMP && time <= LAST_TIMESTAMP ? time : 0).toISOString()
}
