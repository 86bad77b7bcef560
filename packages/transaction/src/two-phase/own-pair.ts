import { randomUUID } from 'node:crypto'
import type { Db } from 'mongodb'
import type { Pool } from 'pg'

interface Mark {
  _id: string
  pair: string
}

const id = 'pair'
/** Begins the row that holds PostgreSQL's mark. */
const prefix = 'pair:'

/**
 * The mark that both stores hold where the app names no pair: made once, when neither has one. A MongoDB without it, or
 * with another, is not the one that the prepared transactions of this PostgreSQL were decided in.
 *
 * @param table with its schema, quoted
 * @returns undefined where the stores do not belong together
 */
export async function readOwnPair (pool: Pool, table: string, db: Db, collection: string): Promise<string | undefined> {
  const { rows } = await pool.query<{ gid: string }>(`SELECT gid FROM ${table} WHERE starts_with(gid, $1)`, [prefix])
  const inSql = rows[0]?.gid.slice(prefix.length)
  const marks = db.collection<Mark>(collection)
  const options = { readConcern: 'majority', readPreference: 'primary' } as const
  const inMongo = (await marks.findOne({ _id: id }, options))?.pair
  if (inSql !== undefined) return inSql === inMongo ? inSql : undefined
  const pair = inMongo ?? await meet(db, collection)
  await pool.query(`INSERT INTO ${table} (gid) VALUES ($1) ON CONFLICT DO NOTHING`, [prefix + pair])
  return pair
}

/** The mark of MongoDB: a new one, unless another process has come first. */
async function meet (db: Db, collection: string): Promise<string> {
  const pair = randomUUID().slice(0, 8)
  const found = await db.collection<Mark>(collection).findOneAndUpdate({ _id: id }, { $setOnInsert: { pair } }, {
    upsert: true,
    returnDocument: 'after',
    writeConcern: { w: 'majority', journal: true }
  })
  return found?.pair ?? pair
}
