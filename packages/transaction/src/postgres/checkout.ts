import { setTimeout as sleep } from 'node:timers/promises'
import type { Pool, PoolClient } from 'pg'
import type { OpenContext } from '../core/driver.ts'
import { ConnectionLostError, PoolTimeoutError, TransactionClosedError } from '../errors.ts'
import { noteDatabaseError } from '../core/origin.ts'
import { isConnectionProblem } from './errors.ts'
import { noteErrorsOf } from './noted-client.ts'
import { lateBy, withTimeout, type Patience } from '../core/with-timeout.ts'

/** Times in milliseconds, `retryAfter` in seconds. */
export interface CheckoutOptions {
  pool: Pool
  /**
   * How long dead connections are replaced before the request gets 503; also how long a full pool is waited for, unless
   * the pool has a `connectionTimeoutMillis` of its own. 0: a full pool is waited for as long as it takes.
   */
  checkoutTimeout: number
  retryAfter: number
  /** Runs the checkout where the detector of second checkouts does not see it. */
  unwatched: <Result>(checkout: () => Result) => Result
}

/** What is listened to on a pool, for all apps that share it. */
interface Watch {
  listeners: Set<(error: Error) => void>
  stop: () => void
}

const watches = new WeakMap<Pool, Watch>()

/**
 * Keeps the end of a connection from ending the process. pg may report both its beginning and its end from one packet,
 * before a promise of `pool.connect()` is heard and whoever waits for it can listen; so each connection keeps one
 * listener, which notes that the error is the database's.
 *
 * @param onIdleLost told of idle connections that broke
 * @returns a function that stops listening; the last app on a pool leaves no listener on it
 */
export function surviveLostConnections (pool: Pool, onIdleLost: (error: Error) => void): () => void {
  const watch = watches.get(pool) ?? listen(pool)
  watch.listeners.add(onIdleLost)
  return function forget (): void {
    if (!watch.listeners.delete(onIdleLost) || watch.listeners.size > 0) return
    watches.delete(pool)
    watch.stop()
  }
}

function listen (pool: Pool): Watch {
  const listeners = new Set<(error: Error) => void>()
  const tellAll = (error: Error) => {
    for (const listener of listeners) listener(error)
  }
  pool.on('error', tellAll)
  pool.on('acquire', noteErrorsOf)
  const restore = noteRefusedConnections(pool)
  const stop = () => {
    restore()
    pool.removeListener('error', tellAll)
    pool.removeListener('acquire', noteErrorsOf)
  }
  const watch = { listeners, stop }
  watches.set(pool, watch)
  return watch
}

type Connected = (error?: unknown, ...rest: unknown[]) => void

/** Notes what the pool cannot connect for, also for its own `query`; returns a function that puts `connect` back. */
function noteRefusedConnections (pool: Pool): () => void {
  const before = Object.getOwnPropertyDescriptor(pool, 'connect')
  const connect = pool.connect.bind(pool) as (callback?: Connected) => Promise<PoolClient>
  function connectNoting (callback?: Connected): Promise<PoolClient> | undefined {
    if (callback === undefined) {
      const connecting = connect()
      // Heard before whoever asks for the connection, since it listens first.
      connecting.catch(noteDatabaseError)
      return connecting
    }
    void connect((error, ...rest) => {
      callback(noteDatabaseError(error), ...rest)
    })
    return undefined
  }
  Object.assign(pool, { connect: connectNoting })
  return function restore (): void {
    // Whoever wrapped it later keeps this one inside.
    if (Reflect.get(pool, 'connect') !== connectNoting) return
    if (before === undefined) Reflect.deleteProperty(pool, 'connect')
    else Object.defineProperty(pool, 'connect', before)
  }
}

const pauseBetweenConnections = 50
const full = 'the pool had no connection to give in time'

/**
 * Takes a connection from the pool; while the server is away, tries again until `patience` is over. One that comes
 * after the tx has given up, or too late, goes straight back.
 */
export async function checkout (
  options: CheckoutOptions,
  context: OpenContext,
  patience: Patience,
  connect = () => options.pool.connect()
): Promise<PoolClient> {
  const { retryAfter } = options
  for (;;) {
    try {
      const client = await take(options, connect)
      if (!context.isAborted()) return client
      client.release()
      throw new TransactionClosedError(context.label, 'rolled back')
    } catch (thrown) {
      const error = noteDatabaseError(thrown)
      if (isFull(error)) throw new PoolTimeoutError(retryAfter, error)
      if (!isConnectionProblem(error)) throw error
      if (context.isAborted() || patience.isOver) throw new ConnectionLostError(context.label, retryAfter, error)
      await sleep(pauseBetweenConnections)
    }
  }
}

/** Waits for the pool, by its own bound where it has one. */
async function take (
  { pool, checkoutTimeout, unwatched }: CheckoutOptions,
  connect: () => Promise<PoolClient>
): Promise<PoolClient> {
  const ownBound = getConnectionTimeout(pool)
  const askedAt = performance.now()
  const connecting = unwatched(connect)
  if (ownBound > 0) {
    try {
      return await connecting
    } catch (error) {
      // The pool's own timer fired late: connections that were given back meanwhile could not be handed on.
      if (!isFull(error) || performance.now() - askedAt - ownBound < lateBy) throw error
      return await unwatched(connect)
    }
  }
  try {
    return await withTimeout(checkoutTimeout, connecting, full)
  } catch (error) {
    connecting.then((late) => {
      late.release()
    }, ignore)
    throw error
  }
}

function getConnectionTimeout ({ options }: { options?: { connectionTimeoutMillis?: number | undefined } }): number {
  return options?.connectionTimeoutMillis ?? 0
}

function isFull (error: unknown): boolean {
  return error instanceof Error && (error.message === full || /timeout exceeded/.test(error.message))
}

function ignore (): void {}
