import type { MongoClient } from 'mongodb'
import type { SqlDriver, SqlTransaction } from './core/sql.ts'
import { TransactionUsageError } from './errors.ts'

/**
 * A driver for tests whose SQL store is a double: routes keep their transactions, nothing is begun or committed, and
 * `request.db` is whatever `db.bind` returns.
 *
 * @example
 * await app.register(transaction, { sql: doubleDriver(), db: { autocommit: double, bind: () => double } })
 */
export function doubleDriver (): SqlDriver {
  return {
    store: 'sql',
    plan: () => undefined,
    open: async () => await Promise.resolve(nothing()),
    isRetriable: () => false
  }
}

/**
 * A MongoDB client for tests whose database is a double: its sessions begin and commit nothing.
 *
 * @example
 * await app.register(transaction, { mongo: { client: doubleClient(), db: double } })
 */
export function doubleClient (): MongoClient {
  const session = {
    startTransaction () {},
    async commitTransaction () {},
    async abortTransaction () {},
    async endSession () {}
  }
  const client = {
    options: { monitorCommands: true },
    startSession: () => session,
    on: () => client,
    removeListener: () => client,
    close: async () => {}
  }
  return client as unknown as MongoClient
}

function nothing (): SqlTransaction {
  return {
    firstFailure: undefined,
    query: () => Promise.reject(new TransactionUsageError('the SQL store is a double; it takes no SQL')),
    commit: async () => {},
    rollback: async () => {}
  }
}
