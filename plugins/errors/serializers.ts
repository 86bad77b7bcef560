import type { FastifyBaseLogger, FastifyReply, FastifyRequest } from 'fastify'
import { mapError } from 'fastify-transaction'
import { getCauses } from '../common/causes.ts'
import { getLoggedPath } from '../common/logged-path.ts'

type Fields = Record<string, unknown>
type ErrorFields = Fields & { type: string; message: string; stack: string }

/** Log serializers that keep values, parameters, query strings and passwords out of the log. */
export const serializers = {
  err: serializeError,
  req: serializeRequest,
  res: (reply: Pick<FastifyReply, 'statusCode'>) => ({ statusCode: reply.statusCode })
}

const SECRET_FIELDS = [
  'password',
  'authorization',
  'cookie',
  'token',
  'DATABASE_URL',
  'MONGODB_URL',
  'connectionString',
  'headers'
]
const CENSOR = '[redacted]'

/** Log fields that are never written, whoever logs them. Those of objects in a log line: see `formatters`. */
export const redact = { paths: SECRET_FIELDS, censor: CENSOR }

/**
 * The same fields one level deeper. As paths (`*.password`) pino would search every value of every line for them, the
 * request id of each request's logger too, which costs more than all else that logging does for a request.
 */
export const formatters = { log: hideNested }

/** The same for what loggers made by `child()` carry along: pino gives them no formatter for it. */
export function hideInChildren (logger: FastifyBaseLogger): void {
  const { child } = logger
  logger.child = function childWithoutSecrets (bindings, options) {
    return child.call(this, hideNested(bindings), options)
  }
}

function hideNested (line: Fields): Fields {
  let hidden: Fields | undefined
  for (const name of Object.keys(line)) {
    const value = line[name]
    if (typeof value !== 'object' || value === null || Object.hasOwn(serializers, name)) continue
    const data: object = 'toJSON' in value && typeof value.toJSON === 'function' ? Object(value.toJSON()) : value
    const found = SECRET_FIELDS.filter((field) => Object.hasOwn(data, field))
    if (found.length === 0) continue
    hidden ??= { ...line }
    hidden[name] = { ...data, ...Object.fromEntries(found.map((field) => [field, CENSOR])) }
  }
  return hidden ?? line
}

function serializeRequest (request: Pick<FastifyRequest, 'method' | 'url'>): Fields {
  return { method: request.method, url: getLoggedPath(request.url) }
}

/**
 * An error as it may be logged. Messages of databases, drivers and parsers repeat values, so a word of ours stands for
 * them; code, SQLSTATE, constraint and stack stay.
 * @param error what was thrown
 */
function serializeError (error: unknown): ErrorFields {
  if (!(error instanceof Error)) {
    return { type: typeof error, message: 'something that is not an Error was thrown', stack: '' }
  }
  const known = error as Error & Fields
  const driver = getCauses(error).find(isOfDriver)
  const hidden = hiddenMessage(known)
  const cause = hidden === undefined && error.cause instanceof Error ? { cause: serializeError(error.cause) } : {}
  return {
    type: error.name === 'Error' ? error.constructor.name : error.name,
    message: hidden ?? hideQueries(hidePasswords(error.message)),
    ...text('code', known.code),
    ...driverFields(driver),
    ...cause,
    stack: getFrames(error)
  }
}

function hiddenMessage (error: Error & Fields): string | undefined {
  if (/^FST_ERR_(BAD_URL|MAX_PARAM_LENGTH|NOT_FOUND)$/.test(String(error.code))) return 'the URL cannot be used'
  if (error.validation !== undefined) return 'the request does not match its schema'
  if (error instanceof SyntaxError || String(error.code).startsWith('FST_ERR_CTP')) return 'the body cannot be read'
  const answer = mapError(error)
  if (answer !== undefined) return `database: ${answer.type}`
  // A handler's own client of another database, which repeats values as ours do.
  return isOfDriver(error) || isOfQueryBuilder(error) ? 'a driver failed; its message may hold values' : undefined
}

/** Drivers of PostgreSQL, MongoDB, MySQL and SQLite, by what only their errors have. */
function isOfDriver ({ name, code, severity, sqlMessage }: Error & Fields): boolean {
  return /^(Mongo|BSON|Libsql\w*Error|Sqlite\w*Error)/.test(name) || code === 'ERR_SQLITE_ERROR' ||
    (typeof code === 'string' && (typeof severity === 'string' || typeof sqlMessage === 'string'))
}

/** Drizzle's own errors quote the statement with its parameters. */
function isOfQueryBuilder ({ query, params }: Error & Fields): boolean {
  return typeof query === 'string' && params !== undefined
}

function driverFields (driver: (Error & Fields) | undefined): Fields {
  if (driver === undefined) return {}
  const state = typeof driver.severity === 'string'
    ? text('sqlstate', driver.code)
    : { driverCode: driver.extendedCode ?? driver.code }
  return { driver: driver.name, ...state, ...text('constraint', driver.constraint), ...text('table', driver.table) }
}

function text (name: string, value: unknown): Fields {
  return typeof value === 'string' || typeof value === 'number' ? { [name]: value } : {}
}

// The first lines of a stack are the message, which may have several.
function getFrames (error: Error): string {
  const stack = error.stack ?? ''
  const at = stack.indexOf(error.message)
  const rest = error.message !== '' && at >= 0 ? stack.slice(at + error.message.length) : stack
  return rest.split('\n').filter((line) => /^\s+at /.test(line)).map((line) => line.trim()).join('\n')
}

// What stands behind the ? of a URL or path may be a token.
function hideQueries (message: string): string {
  return message.replace(/((?:[a-z+]+:\/\/|\/)[^\s?'"]*)\?[^\s'"]+/gi, '$1?***')
}

function hidePasswords (message: string): string {
  return message.replace(/([a-z+]+:\/\/)\S*@/gi, '$1***@')
}
