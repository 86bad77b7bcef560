import type { Label } from './driver.ts'
import type { Observe } from './observe.ts'

/** What a transaction needs to know besides its driver. */
export interface LazyTransactionOptions<Plan> {
  plan: Plan
  label: Label
  /** Which run of the handler this is, from 1. */
  attempt: number
  /** Milliseconds; 0: none. */
  deadline: number
  /** Milliseconds of the deadline that are spent already. */
  spent: number
  /** Seconds for `Retry-After` where trying again may help. */
  retryAfter: number
  /** `SET LOCAL` values, asked for when the transaction opens: later hooks may still find out who the caller is. */
  settings?: () => unknown
  /** Refuses to open, for example because the client has gone. */
  canBegin?: () => Error | undefined
  /** Called when the first statement opens the transaction. */
  onOpen?: () => void
  /** Called when the deadline has passed and everything is rolled back. */
  onExpire?: (error: Error) => void
  /** Runs after-commit callbacks; the plugin waits for them on close. */
  afterCommit: (callbacks: Array<() => unknown>) => void
  /** Watches the transaction from its first statement to its end. */
  observe?: Observe | undefined
}
