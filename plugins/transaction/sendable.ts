import { ServerResponse, validateHeaderName, validateHeaderValue } from 'node:http'
import { Readable } from 'node:stream'
import type { FastifyReply } from 'fastify'
import { TransactionUsageError } from './errors.ts'

/** Names and values that Node takes as they are, so that nothing has to be tried. */
const plainName = /^[a-z][a-z0-9-]*$/
const plainValue = /^[\x20-\x7e]*$/
/** HTTP/2 refuses these (RFC 9113, 8.2.2); `connection` and `host` Node drops or sends. */
const notInHttp2 = ['keep-alive', 'proxy-connection', 'transfer-encoding', 'upgrade', 'http2-settings']
/** Node sends these once over HTTP/2 and refuses a list of values (kSingleValueHeaders in lib/internal/http2/util.js). */
const onceInHttp2 = new Set(`access-control-allow-credentials access-control-max-age access-control-request-method age authorization
  content-encoding content-language content-length content-location content-md5 content-range content-type date dnt etag expires from
  host if-match if-modified-since if-none-match if-range if-unmodified-since last-modified location max-forwards proxy-authorization
  range referer retry-after tk upgrade-insecure-requests user-agent x-content-type-options`.split(/\s+/))

/** What would only fail after the COMMIT: a status, reason or header that Node refuses, a payload that Fastify cannot write. */
export function findUnsendable (reply: FastifyReply, headers: Record<string, unknown>, payload: unknown): Error | undefined {
  const { statusCode } = reply
  if (!Number.isInteger(statusCode) || statusCode < 200 || statusCode > 599) {
    return new TransactionUsageError(`a reply cannot end with the status ${statusCode}: an informational one is followed by another`)
  }
  return findUnsendableHead(reply, headers) ?? findUnsendablePayload(payload)
}

/** Throws what Node would throw when it writes these headers. */
export function validateHeaders (headers: Record<string, unknown>): void {
  for (const name of Object.keys(headers)) {
    const value = headers[name]
    validateHeaderName(name)
    for (const each of Array.isArray(value) ? value : [value]) validateValue(name, each)
  }
}

function findUnsendableHead (reply: FastifyReply, headers: Record<string, unknown>): Error | undefined {
  try {
    // Node checks the reason phrase by the rule of header values.
    if (!isHttp2(reply)) validateHeaderValue('reason', reply.raw.statusMessage ?? '')
    if (isHttp2(reply)) validateHttp2(headers)
    else if (!isPlain(headers)) tryHead(reply, headers)
    return undefined
  } catch (error) {
    return error instanceof Error ? error : new TransactionUsageError('a header value could not be made text')
  }
}

// Reading statusMessage of an HTTP/2 response makes Node print a warning.
function isHttp2 ({ request }: FastifyReply): boolean {
  return request.raw.httpVersionMajor === 2
}

function isPlain (headers: Record<string, unknown>): boolean {
  for (const name in headers) {
    const value = headers[name]
    if (!plainName.test(name)) return false
    if (!(typeof value === 'string' && plainValue.test(value)) && typeof value !== 'number') return false
    if (name === 'transfer-encoding' || name === 'trailer') return false
  }
  return true
}

/** Has Node write the head of a response that goes nowhere: exactly what it will do after the COMMIT. */
function tryHead (reply: FastifyReply, headers: Record<string, unknown>): void {
  validateHeaders(headers)
  const response = new ServerResponse(reply.request.raw)
  response.writeHead(reply.statusCode, headers as Parameters<ServerResponse['writeHead']>[1])
}

function validateHttp2 (headers: Record<string, unknown>): void {
  validateHeaders(headers)
  for (const [name, value] of Object.entries(headers)) {
    const lower = name.toLowerCase()
    if (lower.startsWith(':')) throw new TransactionUsageError(`the header ${name} cannot be set on an HTTP/2 reply`)
    if (notInHttp2.includes(lower) || (lower === 'te' && value !== 'trailers')) throw new TransactionUsageError(`HTTP/2 has no header ${name}; send it over HTTP/1.1 only`)
    if (onceInHttp2.has(lower) && Array.isArray(value) && value.length > 1) throw new TransactionUsageError(`the header ${name} can be sent only once`)
  }
}

function validateValue (name: string, value: unknown): void {
  if (typeof value === 'symbol') throw new TransactionUsageError(`the value of the header ${name} is a symbol; it must be text`)
  validateHeaderValue(name, value as string)
  // Node makes text of it by its own means, after the COMMIT: what throws there must throw here.
  if (typeof value === 'object') validateHeaderValue(name, String(value))
}

function findUnsendablePayload (body: unknown): Error | undefined {
  if (body instanceof ReadableStream && body.locked) return new TransactionUsageError('the stream that was sent is being read elsewhere')
  if (body instanceof Readable && body.destroyed && !body.readableEnded) return body.errored ?? new TransactionUsageError('the stream that was sent was destroyed before')
  const isSendable = body === undefined || body === null || typeof body === 'string' || Buffer.isBuffer(body) || (typeof body === 'object' && ('pipe' in body || 'getReader' in body))
  return isSendable ? undefined : new TransactionUsageError('an onSend hook left a payload that is no string, Buffer or stream')
}
