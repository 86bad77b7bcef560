import { TransactionAbortedError } from '../errors.ts'
import type { Scope } from './lazy-transaction.ts'

/** True when running everything again may help: a conflict, also a swallowed one, and nothing is committed or in doubt. */
export function mayRunAgain (scope: Scope, error: unknown): boolean {
  if (scope.state === 'committed' || scope.state === 'unknown') return false
  const { driver, transaction } = scope
  return driver.isRetriable(error) ||
    (error instanceof TransactionAbortedError && driver.isRetriable(transaction?.firstFailure?.error))
}
