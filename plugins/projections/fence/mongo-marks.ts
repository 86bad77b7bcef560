import type { Db } from 'mongodb'
import { MAX_ID } from '../../../schemas/common.ts'
import { copiedTable } from './copied-table.ts'
import type { MongoMarks } from './judge.ts'

interface FenceDocument {
  _id: 'fence'
  pair: string
  epoch: number
  counter: number
  mends: Date[]
  /** MongoDB went back and SQL did not: users whom SQL does not have were deleted meanwhile. Until that is made up for. */
  deletions_missed?: boolean
}

/** Ids above this are no users': lifting a sequence to one of them would leave no room for new users. */
const HIGHEST = MAX_ID - 1_000_000_000
const MENDS_KEPT = 10

function fences (db: Db) {
  return db.collection<FenceDocument>('fence')
}

/** Reads MongoDB's half of the fence, and the highest ids and versions it knows of; each from the end of an index. */
export async function readMarks (db: Db): Promise<MongoMarks> {
  const { copy, references = [] } = copiedTable ?? {}
  const [document, user, event, ...referred] = await Promise.all([
    fences(db).findOne({ _id: 'fence' }),
    copy === undefined ? 0 : highest(db, copy.collection, copy.id, HIGHEST),
    copy === undefined ? 0 : highest(db, copy.collection, copy.version, Number.MAX_SAFE_INTEGER),
    ...references.map(({ collection, field }) => highest(db, collection, field, HIGHEST))
  ])
  return { mark: document ?? undefined, user, event, author: Math.max(0, ...referred) }
}

// Other writers may have stored anything; of a value that is no number nothing is known.
async function highest (db: Db, collection: string, field: string, most: number): Promise<number> {
  const found = await db.collection(collection).find({ [field]: { $gte: 1, $lte: most } }, {
    projection: { [field]: 1 },
    sort: { [field]: -1 },
    limit: 1
  }).next()
  return Math.floor(Number(found?.[field] ?? 0))
}

/** The id of the pair: this one, unless another process has met MongoDB first. */
export async function meet (db: Db, pair: string): Promise<string> {
  const found = await fences(db).findOneAndUpdate({ _id: 'fence' }, {
    $setOnInsert: { pair, epoch: 1, counter: 0, mends: [] }
  }, { upsert: true, returnDocument: 'after' })
  return found?.pair ?? pair
}

/** Lets MongoDB follow the counter; false where it belongs to another pair or epoch by now. */
export async function follow (db: Db, { pair, epoch, counter }: FenceDocument | Omit<FenceDocument, '_id' | 'mends'>) {
  const { matchedCount } = await fences(db).updateOne({ _id: 'fence', pair, epoch }, { $max: { counter } })
  return matchedCount === 1
}

/** Whether MongoDB has forgotten deletions of users that SQL knows of, and that were not made up for yet. */
export async function hasMissedDeletions (db: Db): Promise<boolean> {
  return await fences(db).findOne({ _id: 'fence', deletions_missed: true }) !== null
}

/** Notes that they were made up for. */
export async function endMissedDeletions (db: Db): Promise<void> {
  await fences(db).updateOne({ _id: 'fence' }, { $unset: { deletions_missed: true } })
}

/**
 * Begins a new epoch in MongoDB.
 * @param options `isWish`: an operator asks for it, so earlier repairs are forgotten; `deletionsMissed`: MongoDB has
 * forgotten deletions that SQL knows of
 */
export async function beginEpoch (
  db: Db,
  { pair, epoch, counter }: { pair: string; epoch: number; counter: number },
  { isWish, deletionsMissed }: { isWish: boolean; deletionsMissed: boolean }
): Promise<void> {
  const set = { pair, epoch, counter, deletions_missed: deletionsMissed }
  await fences(db).updateOne(
    { _id: 'fence' },
    isWish
      ? { $set: { ...set, mends: [] } }
      : { $set: set, $push: { mends: { $each: [new Date()], $slice: -MENDS_KEPT } } },
    { upsert: true }
  )
}
