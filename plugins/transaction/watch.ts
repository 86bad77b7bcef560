import { AsyncLocalStorage } from 'node:async_hooks'
import type { CommandStartedEvent, MongoClient } from 'mongodb'
import type { Pool, PoolClient } from 'pg'
import { TransactionUsageError } from './errors.ts'
import type { Scope } from './scope.ts'

/** Which transaction the running code belongs to. Only ever used to detect a mistake, never to find a connection. */
const current = new AsyncLocalStorage<Scope>()

/** Commands that the driver sends for itself, or that end a session. */
const unwatchedCommands = ['hello', 'ping', 'endSessions', 'killCursors', 'abortTransaction', 'commitTransaction', 'saslStart', 'saslContinue']
const writeCommands = ['insert', 'update', 'delete', 'findAndModify', 'bulkWrite']

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

/** Why an SQL transaction may not begin where the code belongs to another open one: both would hold a connection. */
export function secondTransaction (scope: Scope): Error | undefined {
  const outer = current.getStore()
  if (outer === undefined || outer === scope || !outer.isOpen || outer.driver.store !== 'sql' || scope.driver.store !== 'sql') return undefined
  return new TransactionUsageError(`the transaction of ${scope.label} would begin inside that of ${outer.label} and wait for a second connection; use one of them`)
}

/**
 * Runs code where the detectors of strays do not look: the plugin's own checkout, or work that is meant to be stored
 * whatever becomes of the transaction, such as a session store.
 */
export function outsideTransaction<Result> (work: () => Result): Result {
  return current.exit(work)
}

/** Why the running code may not take a connection: it belongs to an open SQL transaction, which has one; undefined when it may. */
export function strayCheckout (): Error | undefined {
  const scope = current.getStore()
  if (scope === undefined || scope.driver.store !== 'sql' || !scope.isOpen) return undefined
  return new TransactionUsageError(`${scope.label} asked the pool for a second connection inside its transaction; use request.db or request.transaction.query`)
}

/** Refuses a second checkout inside an SQL transaction: the pool could run dry with everybody waiting for a second connection. */
export function watchPool (pool: Pool): () => void {
  const connect = pool.connect.bind(pool) as (callback?: (...args: unknown[]) => void) => Promise<PoolClient>
  function connectOutsideTransactions (callback?: (...args: unknown[]) => void): Promise<PoolClient> | undefined {
    const error = strayCheckout()
    if (error === undefined) return connect(callback)
    if (callback === undefined) return Promise.reject(error)
    callback(error)
    return undefined
  }
  Object.assign(pool, { connect: connectOutsideTransactions })
  return () => {}
}

/**
 * Makes the commit of a MongoDB transaction fail when an operation was sent without its session. Before the transaction's
 * first operation only writes count: reading first, past it, is no mistake. Returns a function that stops watching.
 */
export function watchClient (client: MongoClient): () => void {
  function onCommand ({ commandName, command }: CommandStartedEvent): void {
    const scope = current.getStore()
    if (scope?.driver.store !== 'mongo' || command['autocommit'] === false || unwatchedCommands.includes(commandName)) return
    const isStray = scope.state === 'open' || (scope.state === 'idle' && writeCommands.includes(commandName))
    if (!isStray) return
    scope.refuse(new TransactionUsageError(`${scope.label} sent ${commandName} without the session of its MongoDB transaction; use request.mongo, or outsideTransaction() where that is meant`))
  }
  client.on('commandStarted', onCommand)
  return () => { client.removeListener('commandStarted', onCommand) }
}
