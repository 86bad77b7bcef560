import type { AggregationCursor, Collection, Db, Document, FindCursor } from 'mongodb'
import { TransactionUsageError } from './errors.ts'
import type { MongoTransaction, OperationOptions } from './mongo.ts'
import type { Scope } from './scope.ts'

/** Where each operation takes its options. What is not listed cannot run inside a transaction and is refused. */
const optionsPosition = {
  insertOne: 1, insertMany: 1, updateOne: 2, updateMany: 2, replaceOne: 2, deleteOne: 1, deleteMany: 1, findOne: 1,
  findOneAndUpdate: 2, findOneAndReplace: 2, findOneAndDelete: 1, countDocuments: 1, distinct: 2, bulkWrite: 1
} as const
const plainProperties = ['collectionName', 'dbName', 'namespace', 'readConcern', 'readPreference', 'writeConcern', 'hint'] as const
const cursorTerminals = ['toArray', 'next', 'tryNext', 'hasNext', 'explain', 'close'] as const
const findModifiers = ['sort', 'limit', 'skip', 'project', 'filter', 'hint', 'batchSize', 'map', 'collation', 'comment', 'maxTimeMS', 'allowDiskUse', 'min', 'max', 'returnKey'] as const
const aggregateModifiers = ['batchSize', 'map', 'addStage', 'match', 'group', 'lookup', 'unwind', 'project', 'sort', 'limit', 'skip'] as const

type Terminal = typeof cursorTerminals[number]

/** A find cursor whose operations run inside the transaction, one at a time. */
export type TransactionalFindCursor<Schema> = Pick<FindCursor<Schema>, Terminal | typeof findModifiers[number]> & AsyncIterable<Schema>
/** An aggregation cursor whose operations run inside the transaction, one at a time. */
export type TransactionalAggregationCursor<Schema> = Pick<AggregationCursor<Schema>, Terminal | typeof aggregateModifiers[number]> & AsyncIterable<Schema>

/** A collection whose operations carry the transaction's session. What cannot run inside a transaction is missing here and throws when called. */
export type TransactionalCollection<Schema extends Document = Document> =
  Pick<Collection<Schema>, keyof typeof optionsPosition | typeof plainProperties[number] | 'find' | 'aggregate'>

/** The database of a transaction: collections only. */
export interface TransactionalDatabase {
  readonly databaseName: string
  collection: <Schema extends Document = Document>(name: string) => TransactionalCollection<Schema>
}

type MongoScope = Scope<MongoTransaction>

/** The database as seen from inside one transaction. */
export function bindDatabase (db: Db, scope: MongoScope): TransactionalDatabase {
  return {
    databaseName: db.databaseName,
    collection: <Schema extends Document>(name: string) => bindCollection(db.collection<Schema>(name), scope)
  }
}

function bindCollection<Schema extends Document> (collection: Collection<Schema>, scope: MongoScope): TransactionalCollection<Schema> {
  return new Proxy(collection, {
    get (target, key) {
      const member: unknown = Reflect.get(target, key, target)
      if (typeof member !== 'function' || typeof key === 'symbol') return member
      if (isKeyOf(optionsPosition, key)) return operation(target, key, member, scope)
      if (key === 'find' || key === 'aggregate') return cursorFactory(target, key, member, scope)
      return () => { throw refusal(key) }
    }
  })
}

function operation (target: object, name: keyof typeof optionsPosition, member: object, scope: MongoScope) {
  return (...args: unknown[]): Promise<unknown> => scope.run((transaction) =>
    transaction.operate(`${name} on ${nameOf(target)}`, (options) => call(target, member, withOptions(args, optionsPosition[name], options))))
}

/** Records what is asked of a cursor; the real one is made inside the transaction, when its first document is wanted. */
function cursorFactory (target: object, name: 'find' | 'aggregate', member: object, scope: MongoScope) {
  const modifiers: readonly string[] = name === 'find' ? findModifiers : aggregateModifiers
  return (...args: unknown[]): object => {
    const steps: Array<[string, unknown[]]> = []
    let cursor: object | undefined
    const open = (options: OperationOptions): object => {
      cursor ??= steps.reduce<object>(
        (made, [step, stepArgs]) => Object(call(made, Object(Reflect.get(made, step)), stepArgs)),
        Object(call(target, member, withOptions(args, 1, options)))
      )
      return cursor
    }
    const run = (terminal: Terminal, terminalArgs: unknown[]) => scope.run((transaction) =>
      transaction.operate(`${name} on ${nameOf(target)}`, (options) => {
        const opened = open(options)
        return call(opened, Object(Reflect.get(opened, terminal)), terminalArgs)
      }))
    const recorder: object = new Proxy({}, {
      get (_target, key) {
        if (key === Symbol.asyncIterator) return () => iterate(run)
        if (typeof key === 'symbol' || key === 'then') return undefined
        if (isOneOf(cursorTerminals, key)) return (...terminalArgs: unknown[]) => run(key, terminalArgs)
        if (!modifiers.includes(key)) return () => { throw refusal(`${name}().${key}`) }
        return (...stepArgs: unknown[]) => {
          steps.push([key, stepArgs])
          return recorder
        }
      }
    })
    return recorder
  }
}

async function * iterate (run: (terminal: Terminal, args: unknown[]) => Promise<unknown>): AsyncGenerator<unknown> {
  for (;;) {
    const document = await run('next', [])
    if (document === null) return
    yield document
  }
}

/** Reads of the other store on a route that declares how both agree: no session, no writes. */
export function readOnlyDatabase (db: Db): TransactionalDatabase {
  const reads = ['find', 'findOne', 'aggregate', 'countDocuments', 'distinct']
  return {
    databaseName: db.databaseName,
    collection: <Schema extends Document>(name: string) => new Proxy(db.collection<Schema>(name), {
      get (target, key) {
        const member: unknown = Reflect.get(target, key, target)
        if (typeof member !== 'function' || typeof key === 'symbol') return member
        if (reads.includes(key)) return member.bind(target)
        return () => { throw new TransactionUsageError(`${key}() would write to MongoDB outside the transaction; this route agrees by outbox: enqueue an event instead`) }
      }
    })
  }
}

function withOptions (args: unknown[], position: number, options: OperationOptions): unknown[] {
  const complete = args.slice(0, position + 1)
  while (complete.length < position) complete.push(complete.length === 0 ? {} : undefined)
  complete[position] = { ...Object(complete[position] ?? {}), ...options }
  return complete
}

function call (target: object, member: object, args: unknown[]): Promise<unknown> {
  return Reflect.apply(member as (...args: unknown[]) => Promise<unknown>, target, args)
}

function refusal (name: string): TransactionUsageError {
  return new TransactionUsageError(`${name}() cannot run inside a MongoDB transaction; use app.mongo.db outside of it`)
}

function nameOf (collection: object): string {
  return String(Reflect.get(collection, 'collectionName'))
}

function isKeyOf<Table extends object> (table: Table, key: string): key is Extract<keyof Table, string> {
  return Object.hasOwn(table, key)
}

function isOneOf<Value extends string> (values: readonly Value[], key: string): key is Value {
  return values.some((value) => value === key)
}
