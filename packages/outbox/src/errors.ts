/** Every error of this plugin: `code` says which one, `statusCode` makes Fastify answer 500. */
export class OutboxError extends Error {
  readonly code: 'OUTBOX_USAGE' | 'OUTBOX_NO_TRANSACTION' | 'OUTBOX_STORE' | 'OUTBOX_TIMEOUT' | 'OUTBOX_STOPPED'
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

/** What the driver says for ever, once the first attempt of a client to connect has failed. */
const CLOSED =
  'the client of MongoDB is closed, or could not connect when it was first used: await client.connect() before the app starts, and close it after the app'

/** The sentence that says what somebody must do; undefined where waiting is all there is to do. */
export function getAdvice (error: unknown): string | undefined {
  if (error instanceof OutboxError) return error.code === 'OUTBOX_STORE' ? error.message : undefined
  return error instanceof Error && error.name === 'MongoTopologyClosedError' ? CLOSED : undefined
}
