/** What the plugin's own errors have in common: a stable `code` and the HTTP status they mean. */
export class TransactionError extends Error {
  readonly code: string
  readonly statusCode: number

  constructor (code: string, statusCode: number, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause })
    this.name = new.target.name
    this.code = code
    this.statusCode = statusCode
  }
}

/** A statement reached a transaction that had already ended. Code `TX_CLOSED`, 500. */
export class TransactionClosedError extends TransactionError {
  constructor (label: string, ending: string) {
    super('TX_CLOSED', 500, `The transaction of ${label} is ${ending}; it takes no further statement.`)
  }
}

/**
 * The client went away before COMMIT; everything was rolled back and nobody reads the answer. Code `TX_CLIENT_GONE`,
 * 499.
 */
export class ClientGoneError extends TransactionError {
  constructor (label: string) {
    super('TX_CLIENT_GONE', 499, `The client of ${label} went away; the transaction was rolled back.`)
  }
}

/**
 * A failed statement had aborted the transaction and the handler went on; nothing was committed. Code `TX_ABORTED`,
 * 500.
 */
export class TransactionAbortedError extends TransactionError {
  /** The first failed statement, without its values; for logs only. */
  declare readonly statement: string
  /** The error of that statement. Its message may quote values, so it is no `cause`: loggers print those. */
  declare readonly failure: unknown

  constructor (label: string, statement: string, failure?: unknown) {
    super(
      'TX_ABORTED',
      500,
      `The transaction of ${label} was aborted by a failed statement whose error was swallowed; nothing was committed.`
    )
    // Not enumerable: a serializer that copies every field must not put SQL into a reply.
    Object.defineProperties(this, { statement: { value: statement }, failure: { value: failure } })
  }
}

/** The store did not say whether COMMIT succeeded: all of it is stored, or nothing. Code `TX_OUTCOME_UNKNOWN`, 500. */
export class OutcomeUnknownError extends TransactionError {
  constructor (label: string, cause?: unknown) {
    super(
      'TX_OUTCOME_UNKNOWN',
      500,
      `The store did not confirm the COMMIT of ${label}; either all of it is stored or nothing is.`,
      cause
    )
  }
}

/**
 * MongoDB did not confirm a write that was sent without a transaction; it may be stored, one of many documents in part.
 * Code `TX_OUTCOME_UNKNOWN`, 500.
 */
export class UnconfirmedWriteError extends TransactionError {
  constructor (write: string, cause?: unknown) {
    super(
      'TX_OUTCOME_UNKNOWN',
      500,
      `MongoDB did not confirm ${write}, which was sent without a transaction; it may be stored.`,
      cause
    )
  }
}

/** The deadline or a bound of the store's passed; everything was rolled back. Code `TX_TIMEOUT`, 504. */
export class TransactionTimeoutError extends TransactionError {
  /** @param bound milliseconds of the route's deadline, or the name of the store's own bound that ended it */
  constructor (label: string, bound: number | string, cause?: unknown) {
    super(
      'TX_TIMEOUT',
      504,
      `The transaction of ${label} passed its ${
        typeof bound === 'number' ? `deadline of ${bound} ms` : bound
      } and was rolled back.`,
      cause
    )
  }
}

/**
 * A hook had begun the transaction and the body did not arrive in time; everything was rolled back. Code
 * `TX_BODY_TIMEOUT`, 408.
 */
export class BodyTimeoutError extends TransactionError {
  /** @param time milliseconds */
  constructor (label: string, time: number) {
    super(
      'TX_BODY_TIMEOUT',
      408,
      `The body of ${label} did not arrive within ${time} ms of its first statement, which a hook had sent; the transaction was rolled back.`
    )
  }
}

/** No usable connection became free in time; nothing was begun. Code `TX_POOL_TIMEOUT`, 503. */
export class PoolTimeoutError extends TransactionError {
  readonly retryAfter: number
  readonly headers: Record<string, string>

  constructor (retryAfter: number, cause?: unknown) {
    super('TX_POOL_TIMEOUT', 503, 'No database connection became free in time; nothing was begun.', cause)
    this.retryAfter = retryAfter
    this.headers = { 'retry-after': String(retryAfter) }
  }
}

/** The connection broke before COMMIT was sent; the store rolls back by itself. Code `TX_CONNECTION_LOST`, 503. */
export class ConnectionLostError extends TransactionError {
  readonly retryAfter: number
  readonly headers: Record<string, string>

  constructor (label: string, retryAfter: number, cause?: unknown) {
    super('TX_CONNECTION_LOST', 503, `The connection of ${label} was lost before COMMIT; nothing was committed.`, cause)
    this.retryAfter = retryAfter
    this.headers = { 'retry-after': String(retryAfter) }
  }
}

/**
 * The program asked for something a transaction cannot do. The message says what to do instead. Code `TX_USAGE`, 500.
 */
export class TransactionUsageError extends TransactionError {
  constructor (message: string, cause?: unknown) {
    super('TX_USAGE', 500, message, cause)
  }
}
