import type { Sql } from './sql.ts'

/**
 * Counts the posts of every author anew, and writes what differs. Triggers keep the counts; this is for what went past
 * them, such as a replica or an operator who has switched them off.
 * @param tx a transaction; no other may write posts before it ends
 */
export async function recountPosts (tx: Sql, engine: 'postgres' | 'sqlite'): Promise<void> {
  // SQLite has one writer.
  if (engine === 'postgres') await tx.query('LOCK TABLE posts IN SHARE ROW EXCLUSIVE MODE')
  await tx.query(
    'DELETE FROM author_post_counts WHERE NOT EXISTS (SELECT 1 FROM posts WHERE posts.author_id = author_post_counts.author_id)'
  )
  await tx.query(
    `INSERT INTO author_post_counts (author_id, post_count, content_length)
     SELECT author_id, count(*), sum(content_length) FROM posts WHERE true GROUP BY author_id
     ON CONFLICT (author_id) DO UPDATE SET post_count = excluded.post_count, content_length = excluded.content_length
     WHERE author_post_counts.post_count <> excluded.post_count OR author_post_counts.content_length <> excluded.content_length`
  )
}
