import { AsyncLocalStorage } from 'node:async_hooks'
import type { CommandStartedEvent, MongoClient } from 'mongodb'
import type { Pool, PoolClient } from 'pg'
import type { Driver } from './driver.ts'
import { TransactionUsageError } from '../errors.ts'
import type { LazyTransaction } from './lazy-transaction.ts'

/** A transaction that code belongs to, and the one around it. */
interface Surrounding {
  tx: LazyTransaction
  outer: Surrounding | undefined
}

/** Which transactions the running code belongs to. Only ever used to detect a mistake, never to find a connection. */
const current = new AsyncLocalStorage<Surrounding>()

/** Commands that the driver sends for itself, or that end a session. */
const unwatchedCommands = [
  'hello',
  'ping',
  'endSessions',
  'killCursors',
  'abortTransaction',
  'commitTransaction',
  'saslStart',
  'saslContinue'
]
const writeCommands = ['insert', 'update', 'delete', 'findAndModify', 'bulkWrite']

/** Runs code as belonging to a transaction. */
export function watched<Result> (tx: LazyTransaction, work: () => Result): Result {
  return current.run({ tx, outer: current.getStore() }, work)
}

/** The innermost transaction around the running code that a test finds. */
function surrounding (isWanted: (tx: LazyTransaction) => boolean): LazyTransaction | undefined {
  for (let at = current.getStore(); at !== undefined; at = at.outer) if (isWanted(at.tx)) return at.tx
  return undefined
}

/** An open SQL transaction around the running code, other than `own`, that holds a connection of the same pool. */
function findHolder (pool: object | undefined, own?: LazyTransaction): LazyTransaction | undefined {
  return surrounding((tx) => tx !== own && tx.isOpen && tx.driver.store === 'sql' && tx.driver.pool === pool)
}

/**
 * Refuses `app.transaction` inside an SQL transaction of the same pool: it would wait for a second connection while it
 * holds the first.
 */
export function refuseNested (driver: Pick<Driver, 'store' | 'pool'>, name: string): void {
  const holder = driver.store === 'sql' ? findHolder(driver.pool) : undefined
  if (holder === undefined) return
  throw new TransactionUsageError(
    `${name} was called inside the transaction of ${holder.label}; use the transaction that is already there, or call it from afterCommit`
  )
}

/**
 * Why an SQL transaction may not begin where the code belongs to another open one of the same pool: both would hold a
 * connection.
 */
export function secondTransaction (tx: LazyTransaction): Error | undefined {
  const holder = tx.driver.store === 'sql' ? findHolder(tx.driver.pool, tx) : undefined
  if (holder === undefined) return undefined
  return new TransactionUsageError(
    `the transaction of ${tx.label} would begin inside that of ${holder.label} and wait for a second connection; use one of them`
  )
}

/**
 * Runs code where outside queries are not detected: the plugin's own checkout, or work that is meant to be stored
 * whatever becomes of the transaction, such as a session store.
 */
export function outsideTransaction<Result> (work: () => Result): Result {
  return current.exit(work)
}

/**
 * Why the running code may not take a connection: it belongs to an open SQL transaction, which has one; undefined when
 * it may.
 *
 * @param pool whose connection; another pool's transaction is no reason
 */
export function findCheckoutRefusal (pool: object): Error | undefined {
  const holder = findHolder(pool)
  if (holder === undefined) return undefined
  return new TransactionUsageError(
    `${holder.label} asked the pool for a second connection inside its transaction; use request.db or request.transaction.query`
  )
}

/** How many apps watch a pool, and how its `connect` is put back. */
interface PoolWatch {
  apps: number
  restore: () => void
}

const poolWatches = new WeakMap<Pool, PoolWatch>()

/**
 * Refuses a second checkout inside an SQL transaction of this pool: it could run dry with everybody waiting for a
 * second connection.
 *
 * @returns a function that stops watching; the last app on a pool puts its `connect` back
 */
export function watchPool (pool: Pool): () => void {
  const watch = poolWatches.get(pool) ?? wrapConnect(pool)
  watch.apps++
  let isWatching = true
  return function stopWatching (): void {
    if (!isWatching) return
    isWatching = false
    if (--watch.apps === 0) watch.restore()
  }
}

function wrapConnect (pool: Pool): PoolWatch {
  const before = Object.getOwnPropertyDescriptor(pool, 'connect')
  const connect = pool.connect.bind(pool) as (callback?: (...args: unknown[]) => void) => Promise<PoolClient>
  const watch: PoolWatch = { apps: 0, restore }
  function connectOutsideTransactions (callback?: (...args: unknown[]) => void): Promise<PoolClient> | undefined {
    const error = watch.apps > 0 ? findCheckoutRefusal(pool) : undefined
    if (error === undefined) return connect(callback)
    if (callback === undefined) return Promise.reject(error)
    callback(error)
    return undefined
  }
  function restore (): void {
    // Whoever wrapped it later keeps the wrapper inside, which lets everything pass.
    if (Reflect.get(pool, 'connect') !== connectOutsideTransactions) return
    poolWatches.delete(pool)
    if (before === undefined) Reflect.deleteProperty(pool, 'connect')
    else Object.defineProperty(pool, 'connect', before)
  }
  Object.assign(pool, { connect: connectOutsideTransactions })
  poolWatches.set(pool, watch)
  return watch
}

/**
 * Makes the commit of a MongoDB transaction fail when an operation was sent without its session. Before the
 * transaction's first operation only writes count: reading first, past it, is no mistake. Returns a function that stops
 * watching.
 */
export function watchClient (client: MongoClient): () => void {
  function onCommand ({ commandName, command }: CommandStartedEvent): void {
    const tx = surrounding(({ driver }) => driver.client === client)
    if (tx === undefined || command['autocommit'] === false || unwatchedCommands.includes(commandName)) return
    const isOutside = tx.state === 'open' || (tx.state === 'idle' && writeCommands.includes(commandName))
    if (!isOutside) return
    tx.refuse(
      new TransactionUsageError(
        `${tx.label} sent ${commandName} without the session of its MongoDB transaction; use request.mongo, or outsideTransaction() where that is meant`
      )
    )
  }
  client.on('commandStarted', onCommand)
  return () => {
    client.removeListener('commandStarted', onCommand)
  }
}
