import { TransactionUsageError } from '../errors.ts'

/**
 * Why a savepoint may not be configured: no store can change these for one, and a handle that ignored them would not be what
 * was asked for. Undefined when nothing was asked.
 */
export function savepointRefusal (config: object): TransactionUsageError | undefined {
  const asked = Object.entries(config).filter(([, value]) => value !== undefined).map(([name]) => name)
  if (asked.length === 0) return undefined
  return new TransactionUsageError(
    `transaction() inside a transaction is a savepoint, which cannot change ${
      asked.join(', ')
    }; declare it in config.transaction of the route`
  )
}
