import type { Db, Document } from 'mongodb'
import type { Offence } from '../../drizzle/preflight.ts'
import { collections } from './collections/index.ts'
import type { Collection } from './collection.ts'

const EXAMPLES = 5

/**
 * Finds documents that break what this code declares of its collections: validators and unique indexes, whether the
 * database has them already or will get them.
 * @param db the service's database
 */
export async function findDocumentOffences (db: Db): Promise<Offence[]> {
  const offences: Offence[] = []
  for (const collection of collections) {
    offences.push(...await findInvalid(db, collection), ...await findAlike(db, collection))
  }
  return offences
}

async function findInvalid (db: Db, { name, validator }: Collection): Promise<Offence[]> {
  if (validator === undefined) return []
  const filter = { $nor: [validator] }
  const count = await db.collection(name).countDocuments(filter)
  if (count === 0) return []
  const found = await db.collection(name).find(filter, { projection: { _id: 1 }, limit: EXAMPLES }).toArray()
  const examples = found.map(({ _id }) => String(_id))
  return [{
    where: name,
    rule: 'validator',
    count,
    examples,
    repair: 'correct or delete them; until then no update of them is accepted'
  }]
}

async function findAlike (db: Db, { name, indexes }: Collection): Promise<Offence[]> {
  const offences: Offence[] = []
  for (const { name: rule, key, unique, partialFilterExpression } of indexes as Array<Document & { name: string }>) {
    if (unique !== true) continue
    const fields = Object.keys(key as object).map((field) => [field.replaceAll('.', '_'), `$${field}`])
    const groups = await db.collection(name).aggregate<{ ids: unknown[]; total: number }>([
      { $match: (partialFilterExpression ?? {}) as Document },
      {
        $group: {
          _id: Object.fromEntries(fields) as Document,
          first: { $min: '$_id' },
          last: { $max: '$_id' },
          count: { $sum: 1 }
        }
      },
      { $match: { count: { $gt: 1 } } },
      {
        $group: {
          _id: null,
          total: { $sum: 1 },
          ids: { $push: { $concat: [{ $toString: '$first' }, '…', { $toString: '$last' }] } }
        }
      },
      { $project: { total: 1, ids: { $slice: ['$ids', EXAMPLES] } } }
    ], { allowDiskUse: true }).toArray()
    for (const { ids, total } of groups) {
      offences.push({
        where: name,
        rule,
        count: total,
        examples: ids.map(String),
        repair: 'of each group change or delete all but one'
      })
    }
  }
  return offences
}
