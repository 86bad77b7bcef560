import { TransactionAbortedError } from '../errors.ts'
import type { LazyTransaction } from './lazy-transaction.ts'

/**
 * True when running everything again may help: a conflict, also a swallowed one, and nothing is committed or in doubt.
 */
export function canRunAgain (tx: LazyTransaction, error: unknown): boolean {
  if (tx.state === 'committed' || tx.state === 'unknown') return false
  const { driver, transaction } = tx
  return driver.isRetriable(error) ||
    (error instanceof TransactionAbortedError && driver.isRetriable(transaction?.firstFailure?.error))
}
