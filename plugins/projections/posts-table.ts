import type { Sql } from 'fastify-change-stream'
import type { PostRow } from './post-row.ts'

/** A row as the driver reads it. */
export type StoredRow = Omit<PostRow, 'created_at'> & { created_at: Date | string }

/** Rows behind an id, up to another one or to the end. */
export async function readRows (tx: Sql, after: string, last: string | undefined): Promise<Map<string, StoredRow>> {
  const { rows } = await tx.query(
    `SELECT id, author_id, title, category, content_length, created_at FROM posts WHERE id > $1${
      last === undefined ? '' : ' AND id <= $2'
    }`,
    last === undefined ? [after] : [after, last]
  )
  return new Map((rows as StoredRow[]).map((row) => [row.id, row]))
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
    await tx.query(`DELETE FROM posts WHERE id IN (${some.map((_id, at) => `$${at + 1}`).join()})`, some)
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
