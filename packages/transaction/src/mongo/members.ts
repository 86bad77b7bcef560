import { TransactionUsageError } from '../errors.ts'

/** Calls a method that was read from a driver's object by name. */
export function call (target: object, member: object, args: unknown[]): Promise<unknown> {
  return Reflect.apply(member as (...args: unknown[]) => Promise<unknown>, target, args)
}

/** What a method says that cannot run inside a MongoDB transaction. */
export function refusal (name: string): TransactionUsageError {
  return new TransactionUsageError(`${name}() cannot run inside a MongoDB transaction; use app.mongo.db outside of it`)
}

/** The name of a collection, for messages. */
export function getName (collection: object): string {
  return String(Reflect.get(collection, 'collectionName'))
}

/** Narrows a name to the keys of a table. */
export function isKeyOf<Table extends object> (table: Table, key: string): key is Extract<keyof Table, string> {
  return Object.hasOwn(table, key)
}

/** Narrows a name to one of a list. */
export function isOneOf<Value extends string> (values: readonly Value[], key: string): key is Value {
  return values.some((value) => value === key)
}
