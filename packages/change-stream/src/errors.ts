/** Every error of this plugin: `code` says which one, `statusCode` makes Fastify answer 500. */
export class ChangeStreamError extends Error {
  readonly code: 'CHANGE_STREAM_USAGE' | 'CHANGE_STREAM_FENCED' | 'CHANGE_STREAM_TIMEOUT'
  readonly statusCode = 500

  constructor (code: ChangeStreamError['code'], message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'ChangeStreamError'
    this.code = code
  }
}

// Lost history, fatal stream errors, tokens the server cannot place, changes too large to be sent.
const LOST = new Set([136, 260, 280, 286, 10334, 40647])

/** True when the stream cannot go on from where it was and everything must be copied anew. */
export function isHistoryLost (error: unknown): boolean {
  return error instanceof Error && 'code' in error && typeof error.code === 'number' && LOST.has(error.code)
}

/** Name and code of an error, for the log: messages of drivers may hold values. */
export function getName (error: unknown): string {
  if (!(error instanceof Error)) return 'unknown'
  return 'code' in error && (typeof error.code === 'string' || typeof error.code === 'number')
    ? `${error.name} ${error.code}`
    : error.name
}

/** Another process has moved the position meanwhile, so this one must not carry on from it. */
export function fenced (name: string): ChangeStreamError {
  return new ChangeStreamError(
    'CHANGE_STREAM_FENCED',
    `the position of the stream '${name}' was moved by another process`
  )
}

/** True for the error of `fenced`. */
export function isFenced (error: unknown): boolean {
  return error instanceof ChangeStreamError && error.code === 'CHANGE_STREAM_FENCED'
}
