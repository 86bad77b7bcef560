import type { Sql } from 'fastify-change-stream'
import type { PostRow } from './post-row.ts'

/** A row as the driver reads it. */
export type StoredRow = Omit<PostRow, 'created_at'> & { created_at: Date | string }

/** Ids behind one, up to another or to the end. */
export interface Range {
  after: string
  last: string | undefined
}

/** The rows of these ids. */
export async function readRows (tx: Sql, ids: string[]): Promise<Map<string, StoredRow>> {
  if (ids.length === 0) return new Map()
  const { rows } = await tx.query(
    `SELECT id, author_id, title, category, content_length, created_at FROM posts WHERE id IN (${places(ids, 1)})`,
    ids
  )
  return new Map((rows as StoredRow[]).map((row) => [row.id, row]))
}

/**
 * Deletes rows of a range, but those of some ids.
 * @param kept `ids`: what stays; `limit`: how many are deleted at most
 * @returns how many were
 */
export async function deleteOthers (
  tx: Sql,
  { after, last }: Range,
  { ids, limit }: { ids: string[]; limit: number }
): Promise<number> {
  const end = last === undefined ? '' : ' AND id <= $2'
  const bounds = last === undefined ? [after] : [after, last]
  const kept = ids.length === 0 ? '' : ` AND id NOT IN (${places(ids, bounds.length + 1)})`
  const { rows } = await tx.query(
    `DELETE FROM posts WHERE id IN (SELECT id FROM posts WHERE id > $1${end}${kept} LIMIT ${limit}) RETURNING id`,
    [...bounds, ...ids]
  )
  return rows.length
}

function places (values: unknown[], from: number): string {
  return values.map((_value, at) => `$${from + at}`).join()
}

/** True when a row is stored as it should be. */
export function isSame (row: PostRow, stored: StoredRow | undefined): boolean {
  return stored !== undefined && row.author_id === stored.author_id && row.title === stored.title &&
    row.category === stored.category &&
    row.content_length === stored.content_length && Date.parse(row.created_at) === new Date(stored.created_at).getTime()
}

// A statement takes 32,766 values in SQLite, 65,535 in PostgreSQL.
const DELETED_AT_ONCE = 1000

/** Deletes rows of the projection. */
export async function deleteRows (tx: Sql, ids: string[]): Promise<void> {
  for (let from = 0; from < ids.length; from += DELETED_AT_ONCE) {
    const some = ids.slice(from, from + DELETED_AT_ONCE)
    await tx.query(`DELETE FROM posts WHERE id IN (${places(some, 1)})`, some)
  }
}

/** Inserts rows of the projection, or makes them as given. */
export async function upsertRows (tx: Sql, rows: PostRow[]): Promise<void> {
  if (rows.length === 0) return
  const values = rows.map((_row, at) => `(${[1, 2, 3, 4, 5, 6].map((column) => `$${at * 6 + column}`).join()})`)
  await tx.query(
    `INSERT INTO posts (id, author_id, title, category, content_length, created_at) VALUES ${values.join()}
     ON CONFLICT (id) DO UPDATE SET author_id = excluded.author_id, title = excluded.title, category = excluded.category,
       content_length = excluded.content_length, created_at = excluded.created_at`,
    rows.flatMap((
      { id, author_id, title, category, content_length, created_at }
    ) => [id, author_id, title, category, content_length, created_at])
  )
}
