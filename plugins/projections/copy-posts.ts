import type { CopyReport, Course } from './copy-progress.ts'
import type { RunSql } from './sql.ts'
import { toRow, type PostFields, type PostRow } from './post-row.ts'
import { deleteOthers, isSame, readRows, upsertRows, type Range } from './posts-table.ts'

const PAGE = 500
const EXTRA = 1000

/**
 * Makes the table `posts` equal to the documents, page by page in the order of ids, and writes only what differs.
 * @param run runs a page in a transaction of its own
 * @param documents all posts behind the one where the course begins, by `_id`
 * @returns how many rows were missing, different, or there without a post, with those that an earlier run found
 */
export async function copyPosts (
  run: RunSql,
  documents: AsyncIterable<PostFields>,
  { from, reached }: Course
): Promise<CopyReport> {
  const report = { ...from.report }
  let after = from.after ?? ''
  let page: PostRow[] = []
  let { compared } = from
  const repair = async (last: string | undefined) => {
    const { missing, different, extra } = await repairPage(run, page, { after, last })
    report.missing += missing
    report.different += different
    report.extra += extra
    after = last ?? after
    compared += page.length
    page = []
    if (last !== undefined) await reached({ after, compared, report: { ...report } })
  }
  for await (const document of documents) {
    const row = toRow(document)
    page.push(row)
    if (page.length === PAGE) await repair(row.id)
  }
  await repair(undefined) // the rest, and whatever comes behind the last post
  return report
}

/** Rows that have no post are counted and deleted in parts: there may be any number of them between two posts. */
async function repairPage (run: RunSql, page: PostRow[], range: Range): Promise<CopyReport> {
  const ids = page.map(({ id }) => id)
  const { missing, different } = await run(async (tx) => {
    const found = await readRows(tx, ids)
    const wrong = page.filter((row) => !isSame(row, found.get(row.id)))
    const missing = wrong.filter(({ id }) => !found.has(id)).length
    await upsertRows(tx, wrong)
    return { missing, different: wrong.length - missing }
  })
  let extra = 0
  for (let deleted = EXTRA; deleted === EXTRA; extra += deleted) {
    deleted = await run((tx) => deleteOthers(tx, range, { ids, limit: EXTRA }))
  }
  return { missing, different, extra }
}
