import type { PoolClient, QueryConfig, QueryResult } from 'pg'
import { TransactionError, isReplicaError, noteDatabaseError } from 'fastify-transaction'
import { isRead } from '../statement-text.ts'

/** A statement as `pg` takes it: its text, or an object with the text. */
export type Query = string | QueryConfig

interface Connections {
  connectAlive: () => Promise<PoolClient>
}

/**
 * Runs one statement on a connection of its own. Unlike `pg.Pool.query`, a statement that fails does not cost the
 * connection (unless it leads to a replica), and a read that could not be sent is sent again.
 *
 * @param connections where the connection comes from
 * @param statement the statement
 * @param values its parameters
 * @param timeout milliseconds after which the connection is given up, for a server that has gone silent
 * @throws TransactionError `TX_TIMEOUT` when the server was silent for that long, or what the server refused
 */
export async function runAutocommit (
  connections: Connections,
  statement: Query,
  values: unknown[] | undefined,
  timeout: number
): Promise<QueryResult> {
  try {
    return await runOn(await connections.connectAlive(), statement, values, timeout)
  } catch (error) {
    if (!isUnsent(error) || !isRead(typeof statement === 'string' ? statement : statement.text)) throw error
    return await runOn(await connections.connectAlive(), statement, values, timeout)
  }
}

async function runOn (
  client: PoolClient,
  statement: Query,
  values: unknown[] | undefined,
  timeout: number
): Promise<QueryResult> {
  let late: TransactionError | undefined
  let replica: Error | undefined
  const timer = setTimeout(() => {
    late = new TransactionError('TX_TIMEOUT', 504, `The database did not answer a statement within ${timeout} ms.`)
    client.release(late)
  }, timeout)
  try {
    return await client.query(statement, values)
  } catch (error) {
    if (isReplicaError(error)) replica = error
    throw late ?? noteDatabaseError(error)
  } finally {
    clearTimeout(timer)
    if (late === undefined) client.release(replica)
  }
}

// The system refused the bytes because it knew already that the connection was gone; the server never saw them.
function isUnsent (error: unknown): boolean {
  return error instanceof Error && 'syscall' in error && error.syscall === 'write'
}
