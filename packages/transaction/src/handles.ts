import type { Db } from 'mongodb'
import type { SqlHandles } from './core/sql.ts'

/**
 * What the app's handles are. Fill it from your own code:
 * `declare module '…/transaction' { interface TransactionTypes { db: MyDrizzleDatabase } }`
 */
export interface TransactionTypes {}

/**
 * What `request.db` is until the app says it: nothing that can be used, and the name of its property says what to do.
 */
export interface UndeclaredHandle {
  "say what request.db is: declare module 'fastify-transaction' { interface TransactionTypes { db: MyDatabase } }":
    never
}

/** The type of `request.db`: what the app declared. */
export type Handle = TransactionTypes extends { db: infer Declared } ? Declared : UndeclaredHandle

/** What the plugin option `db` may make: what the app declared, anything until it does. */
export type GivenHandle = TransactionTypes extends { db: infer Declared } ? Declared : unknown

/** What the handles of both stores are made from. */
export interface Handles {
  db: SqlHandles<GivenHandle> | undefined
  mongo: Db | undefined
}
