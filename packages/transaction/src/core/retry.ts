import { isDatabaseError } from '../error-mapping.ts'
import { TransactionAbortedError } from '../errors.ts'
import type { LazyTransaction } from './lazy-transaction.ts'

/**
 * True when running everything again may help: a conflict in a database of the app's, also a swallowed one, and nothing
 * is committed or in doubt.
 */
export function canRunAgain (tx: LazyTransaction, error: unknown): boolean {
  if (tx.state === 'committed' || tx.state === 'unknown') return false
  const { driver, transaction } = tx
  return (isDatabaseError(error) && driver.isRetriable(error)) ||
    (error instanceof TransactionAbortedError && driver.isRetriable(transaction?.firstFailure?.error))
}
