import { ConnectionLostError, OutcomeUnknownError, TransactionUsageError } from '../errors.ts'
import { sqlState } from '../postgres/errors.ts'

/** What PREPARE answers to a transaction that it cannot keep. */
const notSupported = '0A000'

/** Why a transaction of both stores has ended with an abort, in words that say nothing of an unknown outcome. */
export function explainAbort (error: unknown, label: string, retryAfter: number): unknown {
  // What a store left open, the decision has settled: nothing is committed.
  if (error instanceof OutcomeUnknownError) return new ConnectionLostError(label, retryAfter, error.cause)
  return error
}

/** Why PREPARE was refused. */
export function explainPrepare (error: unknown, label: string, retryAfter: number): unknown {
  if (sqlState(error) !== notSupported) return explainAbort(error, label, retryAfter)
  return new TransactionUsageError(
    `${label} cannot be committed in both stores: PostgreSQL does not prepare a transaction that has used LISTEN, NOTIFY, a temporary table, a cursor WITH HOLD or an exported snapshot, also in a function or trigger; use afterCommit() for it`,
    error
  )
}
