import { AsyncLocalStorage } from 'node:async_hooks'
import type { CommandStartedEvent, MongoClient } from 'mongodb'
import type { Pool, PoolClient } from 'pg'
import { TransactionUsageError } from './errors.ts'
import { MongoTransaction } from './mongo.ts'
import type { Scope } from './scope.ts'

/** Which transaction the running code belongs to. Only ever used to detect a mistake, never to find a connection. */
const current = new AsyncLocalStorage<Scope>()

/** Commands that the driver sends for itself, or that end a session. */
const unwatchedCommands = ['hello', 'ping', 'endSessions', 'killCursors', 'abortTransaction', 'commitTransaction', 'saslStart', 'saslContinue']

/** Runs code as belonging to a transaction. */
export function watched<Result> (scope: Scope, work: () => Result): Result {
  return current.run(scope, work)
}

/** Refuses `app.transaction` inside an SQL transaction: it would wait for a second connection while it holds the first. */
export function refuseNested (store: 'sql' | 'mongo', name: string): void {
  const scope = current.getStore()
  if (store !== 'sql' || scope?.driver.store !== 'sql' || !scope.isOpen) return
  throw new TransactionUsageError(`${name} was called inside the transaction of ${scope.label}; use the transaction that is already there, or call it from afterCommit`)
}

/** Runs the plugin's own checkout where the detector does not see it. */
export function unwatched<Result> (work: () => Result): Result {
  return current.exit(work)
}

/** Refuses a second checkout inside an SQL transaction: the pool could run dry with everybody waiting for a second connection. */
export function watchPool (pool: Pool): void {
  const connect = pool.connect.bind(pool) as (callback?: (...args: unknown[]) => void) => Promise<PoolClient>
  function connectOutsideTransactions (callback?: (...args: unknown[]) => void): Promise<PoolClient> | undefined {
    const scope = current.getStore()
    if (scope === undefined || scope.driver.store !== 'sql' || !scope.isOpen) return connect(callback)
    const error = new TransactionUsageError(`${scope.label} asked the pool for a second connection inside its transaction; use request.db or request.transaction.query`)
    if (callback === undefined) return Promise.reject(error)
    callback(error)
    return undefined
  }
  Object.assign(pool, { connect: connectOutsideTransactions })
}

/** Makes the commit of a MongoDB transaction fail when one of its operations was sent without the session. Returns a function that stops watching. */
export function watchClient (client: MongoClient): () => void {
  function onCommand (event: CommandStartedEvent): void {
    const { transaction } = current.getStore() ?? {}
    if (!(transaction instanceof MongoTransaction) || unwatchedCommands.includes(event.commandName)) return
    if (current.getStore()?.state !== 'open' || event.command['autocommit'] === false) return
    const name = `${event.commandName} without the transaction's session`
    transaction.poison(name, new TransactionUsageError(`${name}; use request.mongo`))
  }
  client.on('commandStarted', onCommand)
  return () => { client.removeListener('commandStarted', onCommand) }
}
