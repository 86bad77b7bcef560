import type { PoolClient } from 'pg'
import { noteDatabaseError } from '../core/origin.ts'

const known = new WeakSet<PoolClient>()

/**
 * Notes whatever a connection fails with as the database's: what the server answers, what the network says, and what pg
 * says of a connection that has ended. Its listener also keeps that end from ending the process.
 */
export function noteErrorsOf (client: PoolClient): void {
  if (known.has(client)) return
  known.add(client)
  client.on('error', noteDatabaseError)
  // Before pg's own listener, which hands the error on. A native client has no connection to listen to.
  const { connection } = client as Partial<PoolClient>
  connection?.prependListener('errorMessage', noteDatabaseError)
  client.once('error', () => {
    noteRefusals(client)
  })
  client.once('end', () => {
    noteRefusals(client)
  })
}

const refusing = new WeakSet<PoolClient>()

/** From its end on pg refuses each query by itself, with an error that no event tells of. */
function noteRefusals (client: PoolClient): void {
  if (refusing.has(client)) return
  refusing.add(client)
  const query = client.query.bind(client) as (...args: unknown[]) => unknown
  const queryNoting = (...args: unknown[]): unknown => {
    const result = query(...args)
    if (result instanceof Promise) result.catch(noteDatabaseError)
    return result
  }
  client.query = queryNoting as PoolClient['query']
}
