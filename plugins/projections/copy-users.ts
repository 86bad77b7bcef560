import type { AnyBulkWriteOperation } from 'mongodb'
import type { FastifyInstance } from 'fastify'
import { mongoDatabase } from '../mongo/index.ts'
import { withProgress, type CopyReport, type Course } from './copy-progress.ts'
import { endMissedDeletions, hasMissedDeletions } from './fence/mongo-marks.ts'
import type { Sql } from './sql.ts'
import type { Stores } from './stores.ts'
import type { UserDocument } from './user-document.ts'

interface UserRow {
  id: number
  name: string
  email: string
  version: number | string
}
type Kind = 'missing' | 'different' | 'extra'
/** A user whose document is not as it should be: the document as it was compared, if there is one. */
type Wrong = Map<number, UserDocument | undefined>

/** What it means that a user is not in SQL: deleted, so that the comparison of posts removes theirs, or only absent. */
interface Absence {
  isDead: boolean
}

const PAGE = 1000

/**
 * Compares MongoDB's users with the table and repairs what differs, beside a running relay: page by page, in batches.
 * One that was interrupted goes on where it stopped.
 * @returns how many documents were missing, different, or there without a user
 */
export async function copyUsers (app: FastifyInstance, { transaction }: Stores): Promise<CopyReport> {
  const mongo = mongoDatabase(app)
  const isDead = await hasMissedDeletions(mongo)
  const report = await withProgress(app, 'users', (course) => copyFrom(app, transaction, { ...course, isDead }))
  if (isDead) await endMissedDeletions(mongo)
  return report
}

async function copyFrom (
  app: FastifyInstance,
  transaction: Stores['transaction'],
  { from, reached, isDead }: Course & Absence
): Promise<CopyReport> {
  const report = { ...from.report }
  let { compared } = from
  for (let after = Number(from.after ?? 0);;) {
    const rows = await transaction((tx) => readUsers(tx, `id > $1 ORDER BY id LIMIT ${PAGE}`, [after]))
    const last = rows.length < PAGE ? undefined : rows.at(-1)?.id
    const range = last === undefined ? { $gt: after } : { $gt: after, $lte: last }
    for await (const wrong of compare(app, rows, range)) {
      const found = await repair(app, wrong, transaction, { isDead })
      for (const kind of ['missing', 'different', 'extra'] as const) report[kind] += found[kind]
    }
    compared += rows.length
    if (last === undefined) return report
    after = last
    await reached({ after: String(after), compared, report: { ...report } })
  }
}

/**
 * Finds what differs in a range of ids; a range without users may hold any number of documents, so it comes in parts.
 */
async function* compare (
  app: FastifyInstance,
  rows: UserRow[],
  _id: { $gt: number; $lte?: number }
): AsyncGenerator<Wrong> {
  const expected = new Map(rows.map((row) => [row.id, row]))
  let wrong: Wrong = new Map()
  for await (const document of getUsers(app).find({ _id }).sort({ _id: 1 }).batchSize(PAGE)) {
    const row = expected.get(document._id)
    expected.delete(document._id)
    const isRight = row === undefined ? document._deleted === true : isSame(row, document)
    if (!isRight) wrong.set(document._id, document)
    if (wrong.size < PAGE) continue
    yield wrong
    wrong = new Map()
  }
  for (const id of expected.keys()) wrong.set(id, undefined)
  if (wrong.size > 0) yield wrong
}

/**
 * Looks at the users once more: what is still in the outbox, or has been carried over since, is nobody's mistake. Then
 * replaces the documents, but only as they were compared.
 */
async function repair (
  app: FastifyInstance,
  wrong: Wrong,
  transaction: Stores['transaction'],
  absence: Absence
): Promise<CopyReport> {
  const ids = [...wrong.keys()]
  // In this order: a change that comes between the two is seen as an event.
  const [rows, pending] = await transaction(async (tx) =>
    [await readUsers(tx, `id IN (${places(ids)})`, ids), await readPending(tx, ids)] as const
  )
  const byId = new Map(rows.map((row) => [row.id, row]))
  const writes: Record<Kind, Array<AnyBulkWriteOperation<UserDocument>>> = { missing: [], different: [], extra: [] }
  for (const [id, seen] of wrong) {
    const row = byId.get(id)
    // A copy that was read before the row and is newer was made by a past that SQL has forgotten; no event would
    // correct it.
    const isForgotten = row !== undefined && (seen?._v ?? 0) > Number(row.version)
    const isRight = row === undefined ? seen === undefined || seen._deleted === true : isSame(row, seen)
    if (isRight || (pending.has(id) && !isForgotten)) continue
    const kind = seen === undefined ? 'missing' : row === undefined ? 'extra' : 'different'
    writes[kind].push(toWrite(id, row, seen, absence))
  }
  const count = async (kind: Kind) => {
    if (writes[kind].length === 0) return 0
    const { modifiedCount, upsertedCount } = await getUsers(app).bulkWrite(writes[kind], { ordered: false })
    return modifiedCount + upsertedCount
  }
  return { missing: await count('missing'), different: await count('different'), extra: await count('extra') }
}

function toWrite (
  _id: number,
  row: UserRow | undefined,
  seen: UserDocument | undefined,
  { isDead }: Absence
): AnyBulkWriteOperation<UserDocument> {
  const next = row === undefined
    ? { _v: seen?._v ?? 0, _deleted: true, ...(isDead ? {} : { _absent: true }), _deleted_at: new Date() }
    : { name: row.name, email: row.email, _v: Number(row.version) }
  if (seen === undefined) return { updateOne: { filter: { _id }, update: { $setOnInsert: next }, upsert: true } }
  return { replaceOne: { filter: { ...seen }, replacement: next } }
}

function getUsers (app: FastifyInstance) {
  return mongoDatabase(app).collection<UserDocument>('users')
}

async function readUsers (tx: Sql, condition: string, values: number[]): Promise<UserRow[]> {
  return (await tx.query(`SELECT id, name, email, version FROM users WHERE ${condition}`, values)).rows as UserRow[]
}

async function readPending (tx: Sql, ids: number[]): Promise<Set<number>> {
  const { rows } = await tx.query(
    `SELECT DISTINCT key FROM outbox WHERE topic = 'users' AND key IN (${places(ids)}) AND parked_at IS NULL`,
    ids.map(String)
  )
  return new Set((rows as Array<{ key: string }>).map(({ key }) => Number(key)))
}

function places (values: unknown[]): string {
  return values.map((_value, at) => `$${at + 1}`).join()
}

function isSame (row: UserRow, document: UserDocument | undefined): boolean {
  return document !== undefined && document.name === row.name && document.email === row.email &&
    document._v === Number(row.version) && document._deleted !== true
}
