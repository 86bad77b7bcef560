import type { FastifyReply, FastifyRequest } from 'fastify'
import { mapError, getDriverError } from 'fastify-transaction'

type Fields = Record<string, unknown>
type ErrorFields = Fields & { type: string; message: string; stack: string }

/** Log serializers that keep values, parameters, query strings and passwords out of the log. */
export const serializers = {
  err: serializeError,
  req: serializeRequest,
  res: (reply: Pick<FastifyReply, 'statusCode'>) => ({ statusCode: reply.statusCode })
}

/** Log fields that are never written, whoever logs them. */
export const redact = {
  paths: [
    'password',
    'authorization',
    'cookie',
    'token',
    'DATABASE_URL',
    'MONGODB_URL',
    'connectionString',
    'headers',
    '*.password',
    '*.authorization',
    '*.cookie',
    '*.token',
    '*.DATABASE_URL',
    '*.MONGODB_URL',
    '*.connectionString',
    '*.headers'
  ],
  censor: '[redacted]'
}

function serializeRequest (request: Pick<FastifyRequest, 'method' | 'url'>): Fields {
  return { method: request.method, url: request.url.split('?', 1)[0] }
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
  const driver = getDriverError(error)
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
  return answer === undefined ? undefined : `database: ${answer.type}`
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
