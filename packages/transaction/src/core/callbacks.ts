import { TransactionUsageError } from '../errors.ts'

/**
 * The callback among a method's arguments, also as the property of a statement as pg takes it; undefined where there is
 * none.
 */
export function findCallback (args: readonly unknown[]): ((error: Error) => unknown) | undefined {
  const [first] = args
  if (typeof first === 'object' && first !== null && 'callback' in first && !('submit' in first)) {
    const { callback } = first
    if (isCallback(callback)) return callback
  }
  return args.findLast(isCallback)
}

function isCallback (value: unknown): value is (error: Error) => unknown {
  return typeof value === 'function'
}

/** The error of a method that returns a promise and was given a callback. */
export function callbackRefusal (method: string): TransactionUsageError {
  return new TransactionUsageError(`${method}() takes no callback; await the promise it returns`)
}

/**
 * Refuses a call that was given a callback: the callback gets the error, so that code which waits for it goes on, and
 * the promise rejects.
 *
 * @param follow makes a promise that ends no process when nobody listens
 */
export function refuseCallback (
  callback: (error: Error) => unknown,
  error: Error,
  follow: (work: Promise<never>) => Promise<never>
): Promise<never> {
  setImmediate(() => {
    try {
      callback(error)
    } catch (thrown) {
      // No code could catch it: it makes the reply fail that may still come.
      void follow(Promise.reject(thrown as Error))
    }
  })
  return follow(Promise.reject(error))
}
