import type { FastifyInstance } from 'fastify'
import { mongoDatabase } from '../mongo/index.ts'
import type { Sql, Stores } from './stores.ts'
import type { UserDocument } from './users-to-mongo.ts'

interface UserRow {
  id: number
  name: string
  email: string
  version: number | string
}
interface Context {
  app: FastifyInstance
  transaction: Stores['transaction']
}
interface Report extends Record<string, number> {
  missing: number
  different: number
  extra: number
}

const PAGE = 500

/**
 * Compares MongoDB's users with the table and repairs what differs, beside a running relay.
 * @returns how many documents were missing, different, or there without a user
 */
export async function copyUsers (app: FastifyInstance, { transaction }: Stores): Promise<Report> {
  const report: Report = { missing: 0, different: 0, extra: 0 }
  for (let after = 0;;) {
    const rows = await transaction((tx) => readUsers(tx, `id > $1 ORDER BY id LIMIT ${PAGE}`, after))
    const last = rows.length < PAGE ? undefined : rows.at(-1)?.id
    await repairPage(
      { app, transaction },
      rows,
      last === undefined ? { $gt: after } : { $gt: after, $lte: last },
      report
    )
    if (last === undefined) return report
    after = last
  }
}

async function repairPage (
  context: Context,
  rows: UserRow[],
  _id: { $gt: number; $lte?: number },
  report: Report
): Promise<void> {
  const documents = await getUsers(context).find({ _id }).toArray()
  const stored = new Map(documents.map((document) => [document._id, document]))
  for (const row of rows) {
    const document = stored.get(row.id)
    stored.delete(row.id)
    if (isSame(row, document)) continue
    if (await repairUser(context, row.id, document)) report[document === undefined ? 'missing' : 'different'] += 1
  }
  for (const document of stored.values()) {
    if (document._deleted !== true && await repairUser(context, document._id, document)) report.extra++
  }
}

/**
 * Looks at the user once more: what is still in the outbox, or has been carried over since, is nobody's mistake. Then
 * replaces the document, but only the one that was compared.
 */
async function repairUser (context: Context, id: number, seen: UserDocument | undefined): Promise<boolean> {
  // In this order: a change that comes between the two is seen as an event.
  const [[row], isPending] = await context.transaction(async (tx) =>
    [await readUsers(tx, 'id = $1', id), await hasEvents(tx, id)] as const
  )
  // A copy that was read before the row and is newer was made by a past that SQL has forgotten; no event would correct it.
  const isForgotten = row !== undefined && (seen?._v ?? 0) > Number(row.version)
  if (
    (isPending && !isForgotten) || (row !== undefined && isSame(row, seen)) || (row === undefined && seen === undefined)
  ) return false
  const next = row === undefined
    ? { _v: seen?._v ?? 0, _deleted: true, _absent: true, _deleted_at: new Date() }
    : { name: row.name, email: row.email, _v: Number(row.version) }
  const users = getUsers(context)
  if (seen === undefined) {
    return (await users.updateOne({ _id: id }, { $setOnInsert: next }, { upsert: true })).upsertedCount === 1
  }
  const { _id, ...fields } = seen
  return (await users.replaceOne({ _id, ...fields }, next)).modifiedCount === 1
}

function getUsers ({ app }: Context) {
  return mongoDatabase(app).collection<UserDocument>('users')
}

async function readUsers (tx: Sql, condition: string, value: number): Promise<UserRow[]> {
  return (await tx.query(`SELECT id, name, email, version FROM users WHERE ${condition}`, [value])).rows as UserRow[]
}

async function hasEvents (tx: Sql, id: number): Promise<boolean> {
  return (await tx.query("SELECT id FROM outbox WHERE topic = 'users' AND key = $1 AND parked_at IS NULL LIMIT 1", [
    String(id)
  ])).rows.length > 0
}

function isSame (row: UserRow, document: UserDocument | undefined): boolean {
  return document !== undefined && document.name === row.name && document.email === row.email &&
    document._v === Number(row.version) && document._deleted !== true
}
