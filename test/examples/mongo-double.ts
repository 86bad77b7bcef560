import type { FastifyInstance } from 'fastify'
import { ObjectId } from 'mongodb'

type Operation = (...args: never[]) => unknown
type Collections = Record<string, Record<string, Operation>>
type Mongo = FastifyInstance['mongo']

/**
 * MongoDB without MongoDB: collections that have the operations a test gives them and no others. Transactions begin and
 * commit, and keep nothing.
 *
 * @param collections operations by name of the collection, for example `{ posts: { findOne: async () => null } }`
 * @returns what `buildApp({ overrides: { mongo } })` takes
 */
export function mongoDouble (collections: Collections): Mongo {
  const nothing = async () => {}
  const session = {
    startTransaction: nothing,
    commitTransaction: nothing,
    abortTransaction: nothing,
    endSession: nothing
  }
  const db = { databaseName: 'double', collection: (name: string) => ({ collectionName: name, ...collections[name] }) }
  const client = {
    options: {},
    startSession: () => session,
    db: () => db,
    on: () => client,
    removeListener: () => client
  }
  return { client, db, ObjectId } as unknown as Mongo
}
