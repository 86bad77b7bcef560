import { isDeepStrictEqual } from 'node:util'
import type { Db, Document } from 'mongodb'
import type { Collection } from './collection.ts'
import { collections } from './collections/index.ts'

const NAMESPACE_EXISTS = 48
const FIND_REFUSED_MS = 60_000

/** Thrown when the server cannot do transactions and change streams. Code `MONGO_NOT_REPLICA_SET`. */
class NotReplicaSetError extends Error {
  readonly code = 'MONGO_NOT_REPLICA_SET'

  constructor () {
    super('MongoDB is not a replica set; start mongod with --replSet and run rs.initiate() once.')
    this.name = 'NotReplicaSetError'
  }
}

/** Thrown when the indexes of a collection cannot be made as declared. Code `MONGO_INDEXES_DIFFER`. */
export class IndexesDifferError extends Error {
  readonly code = 'MONGO_INDEXES_DIFFER'

  constructor (collection: string, reason: string) {
    super(
      `The indexes of ${collection} cannot be made as plugins/mongo/collections/ declares them (${reason}); compare with db.${collection}.getIndexes().`
    )
    this.name = 'IndexesDifferError'
  }
}

/**
 * Brings collections, validators and indexes to what the service declares. Repeatable, and safe when several instances
 * do it at once. Indexes that differ are never dropped: the server refuses them and the error names them.
 * @param db the service's database
 * @param declared what it shall hold; those of plugins/mongo/collections/ where nothing else is said
 * @returns collections that were there and have a new validator: documents that it refuses may lie in them
 */
export async function prepareDatabase (db: Db, declared: Collection[] = collections): Promise<string[]> {
  const hello = await db.command({ hello: 1 })
  if (hello.setName === undefined && hello.msg !== 'isdbgrid') throw new NotReplicaSetError()
  const present = new Map((await db.listCollections().toArray()).map((info) => [info.name, info as Document]))
  const changed: string[] = []
  for (const { name, validator } of declared) {
    if (validator === undefined) continue
    const current = present.get(name)
    if (current === undefined) await createCollection(db, name, validator)
    // collMod needs more rights than createIndex, so it is sent only when something changed.
    else if (!isDeepStrictEqual(current.options?.validator, validator)) {
      await db.command({ collMod: name, validator, validationLevel: 'strict' })
      changed.push(name)
    }
  }
  for (const { name, indexes } of declared) {
    const descriptions = indexes.map(({ problem, ...description }) => description)
    await db.collection(name).createIndexes(descriptions).catch(explain(name))
  }
  return changed
}

/**
 * Names documents that were stored before the validator of their collection and do not fit it: lists may have to leave
 * them out, and they cannot be changed. Reads the collection.
 * @returns at most 20 ids
 */
export async function findRefused (db: Db, name: string): Promise<string[]> {
  const { validator = {} } = collections.find((collection) => collection.name === name) ?? {}
  const found = await db.collection(name).find({ $nor: [validator] }, {
    projection: { _id: 1 },
    limit: 20,
    maxTimeMS: FIND_REFUSED_MS
  }).toArray()
  return found.map(({ _id }) => String(_id))
}

async function createCollection (db: Db, name: string, validator: Document): Promise<void> {
  try {
    await db.createCollection(name, { validator })
  } catch (error) {
    const exists = error instanceof Error && 'code' in error && error.code === NAMESPACE_EXISTS
    if (!exists) throw error
  }
}

// The server's message may hold a value, where a unique index meets documents that are alike.
function explain (collection: string): (error: unknown) => never {
  const reasons: Record<string, string> = {
    85: 'one has the same keys under another name',
    86: 'one has the same name but other keys or options',
    11000: 'documents are alike where a unique index allows only one'
  }
  return (error) => {
    const reason = error instanceof Error && 'code' in error ? reasons[String(error.code)] : undefined
    throw reason === undefined ? error : new IndexesDifferError(collection, reason)
  }
}
