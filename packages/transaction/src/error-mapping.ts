import { isNoted } from './core/origin.ts'
import { isUnanswered } from './mongo/errors.ts'
import { isOfNotedBatch } from './mongo/noted-client.ts'

/** What a database, driver or transaction error means to a client: an HTTP status and the slug of a problem type. */
export interface MappedError {
  status: number
  type: string
  /** Seconds after which the same request may succeed. */
  retryAfter?: number
}

type Fault = Error & Record<string, unknown>

const DUPLICATE: MappedError = { status: 409, type: 'duplicate' }
const REFERENCE: MappedError = { status: 409, type: 'reference' }
const VALUE: MappedError = { status: 422, type: 'value-refused' }
const DOCUMENT: MappedError = { status: 422, type: 'document-refused' }
const CONFLICT: MappedError = { status: 503, type: 'write-conflict', retryAfter: 1 }
const LOCKED: MappedError = { status: 503, type: 'lock-timeout', retryAfter: 1 }
const SLOW: MappedError = { status: 504, type: 'database-timeout' }
const EXHAUSTED: MappedError = { status: 503, type: 'pool-exhausted', retryAfter: 1 }
const UNAVAILABLE: MappedError = { status: 503, type: 'database-unavailable', retryAfter: 1 }
const RESOURCES: MappedError = { status: 503, type: 'out-of-resources', retryAfter: 5 }
const UNKNOWN: MappedError = { status: 500, type: 'outcome-unknown' }
const TOO_LARGE: MappedError = { status: 413, type: 'document-too-large' }
const INTERNAL: MappedError = { status: 500, type: 'internal' }

const TRANSACTION: Record<string, MappedError> = {
  TX_CLOSED: INTERNAL,
  TX_CLIENT_GONE: { status: 499, type: 'client-error' },
  TX_ABORTED: INTERNAL,
  TX_USAGE: INTERNAL,
  TX_OUTCOME_UNKNOWN: UNKNOWN,
  TX_TIMEOUT: SLOW,
  TX_BODY_TIMEOUT: { status: 408, type: 'request-timeout' },
  TX_POOL_TIMEOUT: EXHAUSTED,
  TX_CONNECTION_LOST: UNAVAILABLE
}

// The longest matching beginning of the SQLSTATE wins.
const SQLSTATE: Record<string, MappedError> = {
  '08': UNAVAILABLE,
  22: VALUE,
  '2200H': INTERNAL, // a sequence has come to its end
  23: VALUE,
  23001: REFERENCE,
  23503: REFERENCE,
  23505: DUPLICATE,
  '23P01': DUPLICATE,
  25006: UNAVAILABLE, // read only: this is a replica
  '25P03': SLOW,
  '25P04': SLOW,
  28: UNAVAILABLE, // our credentials, not the client's
  '3D000': UNAVAILABLE,
  40: CONFLICT,
  40003: UNKNOWN,
  44: VALUE,
  53: RESOURCES,
  54000: VALUE,
  54001: VALUE, // nested too deep
  '55P03': LOCKED,
  57014: SLOW,
  '57P': UNAVAILABLE,
  58: RESOURCES
}

const SQLITE: Record<string, MappedError> = {
  SQLITE_CONSTRAINT: VALUE,
  SQLITE_CONSTRAINT_UNIQUE: DUPLICATE,
  SQLITE_CONSTRAINT_PRIMARYKEY: DUPLICATE,
  SQLITE_CONSTRAINT_FOREIGNKEY: REFERENCE,
  SQLITE_MISMATCH: VALUE,
  SQLITE_TOOBIG: VALUE,
  SQLITE_BUSY: LOCKED,
  SQLITE_BUSY_SNAPSHOT: CONFLICT,
  SQLITE_LOCKED: LOCKED,
  SQLITE_INTERRUPT: SLOW,
  SQLITE_FULL: RESOURCES,
  SQLITE_IOERR: RESOURCES,
  SQLITE_NOMEM: RESOURCES,
  SQLITE_CANTOPEN: UNAVAILABLE,
  SQLITE_READONLY: UNAVAILABLE,
  CLIENT_CLOSED: UNAVAILABLE
}

const MONGO: ReadonlyArray<[MappedError, number[]]> = [
  [DUPLICATE, [11000, 11001]],
  [DOCUMENT, [121]],
  [CONFLICT, [112, 117, 239, 244, 246, 251]],
  [LOCKED, [24, 46]],
  [SLOW, [50, 262]],
  [UNKNOWN, [64]], // stored, but not confirmed by a majority
  [TOO_LARGE, [10334, 17280]],
  [UNAVAILABLE, [91, 189, 10058, 10107, 11600, 11602, 13435, 13436]], // no primary, or shutting down
  [UNAVAILABLE, [6, 7, 89, 9001, 134, 211]], // a member is not reached, or has just started: no majority or no keys yet
  [UNAVAILABLE, [13, 18, 8000]], // our credentials
  [RESOURCES, [146, 292, 14031]],
  [VALUE, [9, 14, 15, 28, 40, 52, 56, 57, 66, 16755]]
]
const MONGO_CODES = new Map(MONGO.flatMap(([answer, codes]) => codes.map((code) => [code, answer] as const)))

const NETWORK = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'ECONNABORTED',
  'EPIPE',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'EAI_AGAIN'
])
// node-postgres throws these without a code.
const PG_MESSAGES: ReadonlyArray<[RegExp, MappedError]> = [
  [/^timeout exceeded when trying to connect$/, EXHAUSTED],
  [/^Query read timeout$/, SLOW],
  [
    /^(Connection terminated|Client has encountered a connection error|Client was closed|Cannot use a pool after)/,
    UNAVAILABLE
  ]
]

/**
 * The answer to an error of the app's databases or of a transaction, also when an ORM has wrapped it. What a client of
 * a handler's own fails with is none of these, whatever its code: only errors that were noted where the app's
 * connections are count, and what caused them.
 * @param error anything that was thrown
 * @returns status, problem type and Retry-After in seconds; undefined when the error is none of these
 */
export function mapError (error: unknown): MappedError | undefined {
  const faults = chain(error)
  for (const { fault, isOurs } of faults) {
    const answer = ownAnswer(fault) ?? (isOurs ? storeAnswer(fault) : undefined)
    if (answer !== undefined) return answer
  }
  for (const { fault, isOurs } of faults) {
    const answer = isOurs ? connectionAnswer(fault) : undefined
    if (answer !== undefined) return answer
  }
  return undefined
}

/**
 * The error of a driver inside what was thrown, where it came from one of the app's databases: the one that names code
 * and constraint.
 * @param error anything that was thrown
 * @returns the error of the driver, or undefined
 */
export function getDriverError (error: unknown): Fault | undefined {
  return chain(error).find(({ fault, isOurs }) =>
    isOurs && (isSqlError(fault) || sqliteAnswer(fault) !== undefined || isMongoError(fault))
  )?.fault
}

/** True where an error, or what caused it, came from one of the app's databases. */
export function isDatabaseError (error: unknown): boolean {
  return chain(error).some(({ isOurs }) => isOurs)
}

/** An error or a cause of one; `isOurs`: it, or what it caused, came from a database of the app's. */
interface Link {
  fault: Fault
  isOurs: boolean
}

const longestChain = 10

/** The error and its causes, those too that an AggregateError holds. */
function chain (error: unknown): Link[] {
  const found: Link[] = []
  const waiting: Array<[error: unknown, isOurs: boolean]> = [[error, false]]
  for (let next = waiting.shift(); next !== undefined && found.length < longestChain; next = waiting.shift()) {
    const [at, isOfOurs] = next
    if (!(at instanceof Error)) continue
    const isOurs = isOfOurs || isNoted(at) || isOfNotedBatch(at)
    found.push({ fault: at as Fault, isOurs })
    waiting.push([at.cause, isOurs])
    if (at instanceof AggregateError) { for (const one of at.errors) waiting.push([one, isOurs]) }
  }
  return found
}

function ownAnswer (fault: Fault): MappedError | undefined {
  return typeof fault.code === 'string' ? TRANSACTION[fault.code] : undefined
}

function storeAnswer (fault: Fault): MappedError | undefined {
  return sqlAnswer(fault) ?? sqliteAnswer(fault) ?? mongoAnswer(fault)
}

// Node's system errors have codes of five letters too (EPIPE); only PostgreSQL adds a severity.
function isSqlError (fault: Fault): fault is Fault & { code: string } {
  return typeof fault.severity === 'string' && typeof fault.code === 'string' && /^[0-9A-Z]{5}$/.test(fault.code)
}

function sqlAnswer (fault: Fault): MappedError | undefined {
  if (!isSqlError(fault)) return undefined
  // A protocol error inside a session is our bug (too many parameters); as FATAL it is a refused connection.
  if (fault.code === '08P01' && fault.severity === 'ERROR') return INTERNAL
  return SQLSTATE[fault.code] ?? SQLSTATE[fault.code.slice(0, 3)] ?? SQLSTATE[fault.code.slice(0, 2)] ?? INTERNAL
}

function sqliteAnswer (fault: Fault): MappedError | undefined {
  if (!/^(Libsql|Sqlite)\w*Error$/.test(fault.name) || typeof fault.code !== 'string') return undefined
  const extended = typeof fault.extendedCode === 'string' ? SQLITE[fault.extendedCode] : undefined
  const main = fault.code.split('_').slice(0, 2).join('_')
  return extended ?? SQLITE[fault.code] ?? SQLITE[main] ?? INTERNAL
}

function isMongoError (fault: Fault): boolean {
  return /^(Mongo|BSON)/.test(fault.name)
}

function hasLabel (fault: Fault, label: string): boolean {
  return fault.errorLabels instanceof Array
    ? fault.errorLabels.includes(label)
    : fault.errorLabelSet instanceof Set && fault.errorLabelSet.has(label)
}

function mongoAnswer (fault: Fault): MappedError | undefined {
  if (!isMongoError(fault)) return isOversized(fault) ? TOO_LARGE : undefined
  // Before the codes: a write concern that failed because a server shut down says nothing against the write.
  if (hasLabel(fault, 'UnknownTransactionCommitResult') || fault.name === 'MongoWriteConcernError') return UNKNOWN
  const byCode = typeof fault.code === 'number' ? MONGO_CODES.get(fault.code) : undefined
  const isTransient = hasLabel(fault, 'TransientTransactionError')
  if (fault.name === 'MongoBulkWriteError' && !isTransient && isUnanswered(fault)) return UNKNOWN
  if (byCode !== undefined) return byCode
  if (isTransient) return CONFLICT
  if (fault.name === 'MongoWaitQueueTimeoutError') return EXHAUSTED
  if (/ServerSelection|Network|PoolClear|TopologyClosed|NotConnected|ClientClosed|NotPrimary/.test(fault.name)) {
    return UNAVAILABLE
  }
  return fault.name.startsWith('BSON') ? VALUE : INTERNAL
}

// A document that outgrows the driver's buffer fails before it is sent, as a RangeError.
function isOversized (fault: Fault): boolean {
  return fault.code === 'ERR_OUT_OF_RANGE' && /"?offset"?/.test(fault.message) && /bson|mongodb/.test(fault.stack ?? '')
}

function connectionAnswer (fault: Fault): MappedError | undefined {
  if (typeof fault.code === 'string' && NETWORK.has(fault.code)) return UNAVAILABLE
  return PG_MESSAGES.find(([pattern]) => pattern.test(fault.message))?.[1]
}
