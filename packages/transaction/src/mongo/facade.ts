import type {
  AggregateOptions,
  Collection,
  CollectionOptions,
  Db,
  Document,
  Filter,
  FindOptions,
  WithId
} from 'mongodb'
import type { TransactionalAggregationCursor, TransactionalFindCursor } from './cursor.ts'
import { transactionalCursor } from './cursor.ts'
import { callbackRefusal, findCallback, refuseCallback } from '../core/callbacks.ts'
import { TransactionUsageError } from '../errors.ts'
import type { OpenTransaction } from '../core/driver.ts'
import type { OperationOptions } from './driver.ts'
import { call, isKeyOf, isOneOf, getName, refusal } from './members.ts'
import type { LazyTransaction } from '../core/lazy-transaction.ts'

/** Where each operation takes its options. What is not listed cannot run inside a transaction and is refused. */
const optionsPosition = {
  insertOne: 1,
  insertMany: 1,
  updateOne: 2,
  updateMany: 2,
  replaceOne: 2,
  deleteOne: 1,
  deleteMany: 1,
  findOne: 1,
  findOneAndUpdate: 2,
  findOneAndReplace: 2,
  findOneAndDelete: 1,
  countDocuments: 1,
  distinct: 2,
  bulkWrite: 1
} as const
const plainProperties = [
  'collectionName',
  'dbName',
  'namespace',
  'readConcern',
  'readPreference',
  'writeConcern'
] as const
const reads = ['find', 'findOne', 'aggregate', 'countDocuments', 'distinct'] as const

/**
 * A collection whose operations carry the transaction's session. What cannot run inside a transaction is missing here
 * and throws when called. `session`, `signal` and `readPreference` among an operation's options are the transaction's,
 * whatever is given.
 */
export interface TransactionalCollection<Schema extends Document = Document>
  extends Pick<Collection<Schema>, keyof typeof optionsPosition | typeof plainProperties[number]>
{
  /** Sends nothing before its first document is asked for. */
  find: <Found = WithId<Schema>>(filter?: Filter<Schema>, options?: FindOptions) => TransactionalFindCursor<Found>
  /** Sends nothing before its first document is asked for. */
  aggregate: <Found extends Document = Document>(
    pipeline?: Document[],
    options?: AggregateOptions
  ) => TransactionalAggregationCursor<Found>
}

/** The database of a transaction: collections only. */
export interface TransactionalDatabase {
  readonly databaseName: string
  collection: <Schema extends Document = Document>(
    name: string,
    options?: CollectionOptions
  ) => TransactionalCollection<Schema>
}

/** A transaction whose operations are MongoDB's. */
export interface MongoOperations extends OpenTransaction {
  readonly written: Set<string>
  operate: <Result>(name: string, operation: (options: OperationOptions) => Promise<Result>) => Promise<Result>
}

/** The database as seen from inside one transaction. */
export function bindDatabase (db: Db, tx: LazyTransaction<MongoOperations>): TransactionalDatabase {
  return {
    databaseName: db.databaseName,
    collection: <Schema extends Document>(name: string, options?: CollectionOptions) =>
      bindCollection(db.collection<Schema>(name, options), tx)
  }
}

function bindCollection<Schema extends Document> (
  collection: Collection<Schema>,
  tx: LazyTransaction<MongoOperations>
): TransactionalCollection<Schema> {
  return facade(collection, (target, name, member) => {
    if (name === 'find' || name === 'aggregate') {
      return (...args: unknown[]) =>
        transactionalCursor(name, {
          open: (options) => Object(call(target, member, withOptions(args, 1, options))),
          run: (operation) => tx.run((transaction) => transaction.operate(`${name} on ${getName(target)}`, operation))
        })
    }
    if (!isKeyOf(optionsPosition, name)) {
      return () => {
        throw refusal(name)
      }
    }
    return (...args: unknown[]) => {
      const callback = findCallback(args)
      if (callback !== undefined) return refuseCallback(callback, callbackRefusal(name), (work) => tx.follow(work))
      return tx.run((transaction) => {
        if (!isOneOf(reads, name)) transaction.written.add(collection.collectionName)
        return transaction.operate(
          `${name} on ${getName(target)}`,
          (options) => call(target, member, withOptions(args, optionsPosition[name], options))
        )
      })
    }
  })
}

/** Reads of the other store on a route that declares `crossStore`: no session, no writes. */
export function readOnlyDatabase (db: Db): TransactionalDatabase {
  return {
    databaseName: db.databaseName,
    collection: <Schema extends Document>(name: string, options?: CollectionOptions) =>
      readOnlyCollection(db.collection<Schema>(name, options))
  }
}

function readOnlyCollection<Schema extends Document> (collection: Collection<Schema>): TransactionalCollection<Schema> {
  return facade(collection, (target, name, member) => (...args: unknown[]) => {
    const [first] = args
    const writes = !isOneOf(reads, name) || (name === 'aggregate' && Array.isArray(first) && first.some(isWriteStage))
    if (!writes) return call(target, member, args)
    throw new TransactionUsageError(
      `${name}() would write to MongoDB outside the transaction; this route declares crossStore: 'outbox': enqueue an event instead`
    )
  })
}

function isWriteStage (stage: unknown): boolean {
  const names = Object.keys(Object(stage))
  return names.includes('$out') || names.includes('$merge')
}

/** A collection of which only plain properties and replaced methods can be seen. */
function facade<Schema extends Document> (
  collection: Collection<Schema>,
  replace: (target: object, name: string, member: object) => unknown
): TransactionalCollection<Schema> {
  return new Proxy(collection, {
    get (target, key) {
      const member: unknown = Reflect.get(target, key, target)
      if (typeof key === 'symbol') return member
      if (typeof member === 'function') return replace(target, key, member)
      return isOneOf(plainProperties, key) ? member : undefined
    }
  }) as unknown as TransactionalCollection<Schema>
}

function withOptions (args: unknown[], position: number, options: OperationOptions): unknown[] {
  const complete = args.slice(0, position + 1)
  while (complete.length < position) complete.push(complete.length === 0 ? {} : undefined)
  complete[position] = { ...Object(complete[position] ?? {}), ...options }
  return complete
}
