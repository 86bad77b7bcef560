/** Every error of this plugin: `code` says which one, `statusCode` makes Fastify answer 500. */
export class ChangeStreamError extends Error {
  readonly code: 'CHANGE_STREAM_USAGE' | 'CHANGE_STREAM_FENCED' | 'CHANGE_STREAM_STORE'
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

/** What MongoDB says where waiting does not help, by code, and what to do. */
const ADVICE = new Map([
  [
    13,
    'the user of MongoDB may not follow a change stream: grant it the role read on the database, or find and changeStream on the collection'
  ],
  [18, 'MongoDB refuses the user or the password: correct the connection string of the client'],
  [
    40573,
    'MongoDB runs without a replica set, which change streams need: start mongod with --replSet and call rs.initiate() once; one member is enough'
  ]
])

const CLOSED =
  'the client of MongoDB is closed, or could not connect when it was first used: await client.connect() before the app starts, and close it after the app'

/** The sentence that says what somebody must do; undefined where waiting is all there is to do. */
export function getAdvice (error: unknown): string | undefined {
  if (error instanceof ChangeStreamError) return error.code === 'CHANGE_STREAM_FENCED' ? undefined : error.message
  if (error instanceof Error && error.name === 'MongoTopologyClosedError') return CLOSED
  const isMongo = error instanceof Error && error.name.startsWith('Mongo') && 'code' in error
  return isMongo && typeof error.code === 'number' ? ADVICE.get(error.code) : undefined
}

/** Name and code of an error, for the log: messages of drivers may hold values. */
export function getName (given: unknown): string {
  const isExplained = given instanceof ChangeStreamError && given.code === 'CHANGE_STREAM_STORE'
  const error = isExplained ? given.cause : given
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
