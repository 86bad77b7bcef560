import { TransactionError } from 'fastify-transaction'

/** True when a pool had no connection to give in time. */
export function isQueueTimeout (error: unknown): boolean {
  return error instanceof Error && error.message === 'timeout exceeded when trying to connect'
}

/** pg says no more than "timeout expired", which nobody could tell from another error. */
export function explained (error: unknown): unknown {
  if (!(error instanceof Error) || error.message !== 'timeout expired') return error
  return new TransactionError('TX_CONNECTION_LOST', 503, 'The database did not accept a connection in time.', error)
}

/** True when a server that starts or stops refuses so. */
export function isPassing (error: unknown): boolean {
  if (!(error instanceof Error)) return false
  const code = 'code' in error ? String(error.code) : ''
  return /^(ECONNREFUSED|ECONNRESET|EPIPE|57P0[123])$/.test(code) || /terminated unexpectedly/.test(error.message)
}

/** True when a guard has found that a server was left behind by a new primary. */
export function isOfAnotherServer (error: unknown): boolean {
  if (!(error instanceof Error)) return false
  return ('reason' in error && error.reason === 'another server') || isOfAnotherServer(error.cause)
}
