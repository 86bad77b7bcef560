import type { PoolClient } from 'pg'
import { HostsClient } from '../../../drizzle/hosts/client.ts'
import { withTimeout } from '../../common/with-timeout.ts'

const PING_TIMEOUT_MS = 1000
const SETTLE_TIMEOUT_MS = 1000

/** True when the server answers within a second; the empty statement costs it nothing. */
export async function answers (client: PoolClient): Promise<boolean> {
  const ping = client.query('/* ping */').then(() => true, () => false)
  return await withTimeout(ping, PING_TIMEOUT_MS, () => false)
}

/**
 * Closes a connection without waiting for its peer: a silent one would never confirm, and its place would stay taken.
 */
export function destroy (client: PoolClient, release: PoolClient['release'], reason: Error | boolean): void {
  release(reason)
  client.connection.stream.destroy()
}

/**
 * True when the server has finished with the last statement. pg reports an error before `ReadyForQuery` arrives, so
 * that a connection given back in between is healthy but not ready. pg keeps the field without declaring it; where it
 * is missing we believe the connection to be ready, as pg-pool does.
 */
export function isReady (client: PoolClient & { readyForQuery?: boolean }): boolean {
  return client.readyForQuery !== false
}

/** Waits until the connection is ready. False when that takes longer than a second, or the connection is lost. */
export function becomesReady (client: PoolClient): Promise<boolean> {
  return new Promise((resolve) => {
    const end = (ready: boolean) => () => {
      clearTimeout(timer)
      client.off('drain', drained).off('error', lost).off('end', lost)
      resolve(ready)
    }
    const drained = end(true)
    const lost = end(false)
    const timer = setTimeout(lost, SETTLE_TIMEOUT_MS)
    client.on('drain', drained).on('error', lost).on('end', lost)
  })
}

/** False when the server has said that it is no longer what the URL asks for. */
export function isFit (client: PoolClient): boolean {
  return !(client instanceof HostsClient) || client.isFit
}
