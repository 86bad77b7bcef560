import type { Submittable } from 'pg'
import { findCallback } from './callbacks.ts'
import { TransactionUsageError } from '../errors.ts'
import { describeKind } from '../options/checks.ts'

/**
 * True for a stream that was destroyed, as by leaving a loop, and for a cursor whose close() was called: the connection
 * is free soon.
 */
export function isBeingClosed (reader: object): boolean {
  const { destroyed, state } = reader as { destroyed?: unknown; state?: unknown }
  return destroyed === true || state === 'done'
}

/** What is wrong with the arguments of `query()`; a callback would never be called. */
export function findQueryMistake ([statement, ...others]: unknown[]): string | undefined {
  if (findCallback([statement, ...others]) !== undefined && typeof statement !== 'function') {
    return 'query() takes no callback; await the promise it returns'
  }
  if (typeof statement === 'string') return undefined
  if (typeof statement !== 'object' || statement === null) {
    return 'query() needs a statement: a text, or an object with text and values'
  }
  // pg would throw half-way through its message, and its connection wait for ever.
  const { name } = statement as { name?: unknown }
  return name === undefined || name === null || typeof name === 'string'
    ? undefined
    : `query() needs a text as the name of a statement, not ${describeKind(name)}`
}

/** @throws TransactionUsageError for anything but a function */
export function assertFunction (method: string, callback: unknown): void {
  if (typeof callback !== 'function') {
    throw new TransactionUsageError(`${method}() needs a function, not ${
      callback instanceof Promise
        ? 'a promise: pass the function that makes it'
        : callback === null
        ? 'null'
        : `a ${typeof callback}`
    }`)
  }
}

/** @throws TransactionUsageError where a method that returns at once was given a callback for its end */
export function assertNoCallback (method: string, args: readonly unknown[]): void {
  if (args.some((value) => typeof value === 'function')) {
    throw new TransactionUsageError(`${method}() takes no callback at its end; it returns at once`)
  }
}

/** True for a cursor or query stream. */
export function isSubmittable (statement: unknown): statement is Submittable {
  return typeof statement === 'object' && statement !== null && 'submit' in statement &&
    typeof statement.submit === 'function'
}
