/** Every error of this plugin: `code` says which one, `statusCode` makes Fastify answer 500. */
export class OutboxError extends Error {
  readonly code: 'OUTBOX_USAGE' | 'OUTBOX_NO_TRANSACTION' | 'OUTBOX_TIMEOUT' | 'OUTBOX_STOPPED'
  readonly statusCode = 500

  constructor (code: OutboxError['code'], message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'OutboxError'
    this.code = code
  }
}

/** True for the error of an `apply` that took longer than `applyTimeout`. */
export function isTimeout (error: unknown): boolean {
  return error instanceof OutboxError && error.code === 'OUTBOX_TIMEOUT'
}
