import type { Sql } from 'fastify-change-stream'
import { toRow, type PostFields, type PostRow } from './post-row.ts'
import { deleteRows, isSame, readRows, upsertRows } from './posts-table.ts'

const PAGE = 500

/**
 * Makes the table `posts` equal to the documents, page by page in the order of ids, and writes only what differs.
 * @param tx the transaction to write in
 * @param documents all posts, by `_id`
 * @returns how many rows were missing, different, or there without a post
 */
export async function copyPosts (
  tx: Sql,
  documents: AsyncIterable<PostFields>
): Promise<{ missing: number; different: number; extra: number }> {
  const report = { missing: 0, different: 0, extra: 0 }
  let after = ''
  let page: PostRow[] = []
  const repair = async (last: string | undefined) => {
    const found = await readRows(tx, after, last)
    const wrong = page.filter((row) => !isSame(row, found.get(row.id)))
    const missing = wrong.filter(({ id }) => !found.has(id)).length
    const expected = new Set(page.map(({ id }) => id))
    const extra = [...found.keys()].filter((id) => !expected.has(id))
    await upsertRows(tx, wrong)
    await deleteRows(tx, extra)
    report.missing += missing
    report.different += wrong.length - missing
    report.extra += extra.length
    after = last ?? after
    page = []
  }
  for await (const document of documents) {
    const row = toRow(document)
    page.push(row)
    if (page.length === PAGE) await repair(row.id)
  }
  await repair(undefined) // the rest, and whatever comes behind the last post
  return report
}
