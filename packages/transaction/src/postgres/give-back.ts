import type { PoolClient } from 'pg'
import { withTimeout } from '../core/with-timeout.ts'

/** Longest wait for the reset of a session before its connection is thrown away, in milliseconds. */
const resetTimeout = 1000

/** What DISCARD ALL does, without its loss of prepared statements and cached plans, and in one message. */
const reset =
  'RESET SESSION AUTHORIZATION; RESET ROLE; RESET ALL; UNLISTEN *; SELECT pg_advisory_unlock_all(); CLOSE ALL; DISCARD TEMP'

/**
 * Gives a connection back to its pool: as it is when it is clean, thrown away when anything is in doubt. Nobody waits
 * for it.
 *
 * @param doubt an error, or true; undefined: only the session itself may say that it is not clean
 * @param resetSession first undoes what statements have set for the session: settings, role, listening, advisory locks,
 * temporary tables
 */
export function giveBack (client: PoolClient, doubt: unknown, resetSession = false): void {
  if (doubt !== undefined || client.getTransactionStatus() !== 'I') return throwAway(client, doubt)
  if (!resetSession) return client.release()
  // An end of the connection is told here, and by the statement.
  client.on('error', ignore)
  withTimeout(resetTimeout, client.query(reset), 'the session was not reset in time').then(() => {
    client.removeListener('error', ignore)
    if (client.getTransactionStatus() === 'I') client.release()
    else throwAway(client, true)
  }, (error: unknown) => {
    throwAway(client, error)
  })
}

function throwAway (client: PoolClient, doubt: unknown): void {
  client.on('error', ignore)
  // Where pg pipelines it waits for the answers of all statements before it closes; those of the skipped never come.
  setPipeline(client, false)
  client.release(doubt instanceof Error ? doubt : true)
}

/** pg looks at this for each statement; its types say only that it can be read. */
export function setPipeline (client: { pipeline: boolean }, pipelines: boolean): void {
  client.pipeline = pipelines
}

function ignore (): void {}
