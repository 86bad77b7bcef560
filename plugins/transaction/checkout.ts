import { setTimeout as sleep } from 'node:timers/promises'
import type { Pool, PoolClient } from 'pg'
import type { OpenContext } from './driver.ts'
import { ConnectionLostError, PoolTimeoutError, TransactionClosedError } from './errors.ts'
import { isConnectionProblem } from './postgres-errors.ts'

/** Times in milliseconds, `retryAfter` in seconds. */
export interface CheckoutOptions {
  pool: Pool
  /** How long dead connections are replaced before the request gets 503. */
  checkoutTimeout: number
  retryAfter: number
  /** Runs the checkout where the detector of second checkouts does not see it. */
  unwatched: <Result>(checkout: () => Result) => Result
}

const pauseBetweenConnections = 50

/**
 * Keeps the end of a connection from ending the process. pg may report both its beginning and its end from one packet, before
 * a promise of `pool.connect()` is heard and whoever waits for it can listen; so each connection keeps one deaf listener.
 */
export function surviveLostConnections (pool: Pool, onIdleLost: (error: Error) => void): () => void {
  const known = new WeakSet<PoolClient>()
  pool.on('error', onIdleLost)
  pool.on('acquire', (client) => {
    if (known.has(client)) return
    known.add(client)
    client.on('error', () => {})
  })
  return () => {}
}

/**
 * Takes a connection from the pool; while the server is away, tries again until `until`. One that comes after the scope has
 * given up goes straight back.
 */
export async function checkout (options: CheckoutOptions, context: OpenContext, until: number, connect = () => options.pool.connect()): Promise<PoolClient> {
  const { retryAfter, unwatched } = options
  for (;;) {
    try {
      const client = await unwatched(connect)
      if (!context.abandoned()) return client
      client.release()
      throw new TransactionClosedError(context.label, 'rolled back')
    } catch (error) {
      const isFull = error instanceof Error && /timeout exceeded/.test(error.message)
      if (isFull) throw new PoolTimeoutError(retryAfter, error)
      if (!isConnectionProblem(error)) throw error
      if (context.abandoned() || performance.now() >= until) throw new ConnectionLostError(context.label, retryAfter, error)
      await sleep(pauseBetweenConnections)
    }
  }
}
