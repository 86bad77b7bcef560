import { ServerResponse, validateHeaderValue } from 'node:http'
import type { FastifyReply } from 'fastify'
import { TransactionUsageError } from '../errors.ts'
import { validateHeader } from './header-values.ts'
import { isReadable } from './payload.ts'
import { trailerNames } from './trailers.ts'

type Headers = Record<string, unknown>

/** Names and values that Node takes as they are, so that nothing has to be tried. */
const plainName = /^[a-z][a-z0-9-]*$/
const plainValue = /^[\x20-\x7e]*$/
const framing = ['transfer-encoding', 'trailer', 'content-length']

/** Headers that were found plain, with their last values: most are the same for every reply. */
const knownPlain = new Map<string, unknown>()
const MOST_KNOWN = 100

/**
 * What would only fail after the COMMIT: a status, reason, header or trailer that Node refuses or a client cannot read,
 * a payload that Fastify cannot write. Values that are no text yet become text, on the reply and in `headers`.
 */
export function findUnsendable (reply: FastifyReply, headers: Headers, payload: unknown): Error | undefined {
  try {
    const { statusCode } = reply
    if (!(statusCode >= 200 && statusCode <= 599)) {
      throw new TransactionUsageError(
        `a reply cannot end with the status ${statusCode}: an informational one is followed by another, and others are none`
      )
    }
    // Node checks the reason phrase by the rule of header values. Reading it on an HTTP/2 response makes Node print a
    // warning.
    if (!isHttp2(reply)) validateHeaderValue('reason', reply.raw.statusMessage ?? '')
    if (isHttp2(reply) || !isPlain(headers) || trailerNames(reply).length > 0) checkHead(reply, headers, payload)
    checkPayload(payload)
    return undefined
  } catch (error) {
    return error instanceof Error ? error : new TransactionUsageError('a header value could not be made text')
  }
}

function isHttp2 ({ request }: FastifyReply): boolean {
  return request.raw.httpVersionMajor === 2
}

function isPlain (headers: Headers): boolean {
  for (const name in headers) {
    const value = headers[name]
    if (knownPlain.get(name) === value && value !== undefined) continue
    if (!plainName.test(name) || framing.includes(name)) return false
    if (!(typeof value === 'string' && plainValue.test(value)) && typeof value !== 'number') return false
    if (knownPlain.size < MOST_KNOWN || knownPlain.has(name)) knownPlain.set(name, value)
  }
  return true
}

function checkHead (reply: FastifyReply, headers: Headers, payload: unknown): void {
  for (const [name, value] of Object.entries(headers)) {
    const text = validateHeader(name, value, reply.request.raw.httpVersionMajor, 'list')
    if (typeof value !== 'string' && typeof value !== 'number') setHeader(reply, headers, name, text)
  }
  for (const name of trailerNames(reply)) validateHeader(name, '', reply.request.raw.httpVersionMajor)
  checkFraming(reply, headers, payload)
  if (!isHttp2(reply)) tryHead(reply, headers, payload)
}

function setHeader (reply: FastifyReply, headers: Headers, name: string, value: string | string[] | undefined): void {
  reply.removeHeader(name)
  if (value === undefined) Reflect.deleteProperty(headers, name)
  else reply.header(name, headers[name] = value)
}

/**
 * Where a reply ends is told by Node or Fastify. What the program says about it must not make the reply unreadable for
 * its client.
 */
function checkFraming (reply: FastifyReply, headers: Headers, payload: unknown): void {
  const { 'content-length': length, 'transfer-encoding': encoding } = headers
  const hasTrailers = trailerNames(reply).length > 0
  const isStream = isReadable(payload)
  if (encoding !== undefined && !(encoding === 'chunked' && (hasTrailers || (isStream && length === undefined)))) {
    throw new TransactionUsageError(
      `the header transfer-encoding (${toText(encoding)}) is set by Node, and only streams are chunked; leave it out`
    )
  }
  // Fastify sets the right one for a text, but leaves it where it means the same number.
  if (length === undefined || /^\d+$/.test(toText(length))) {
    return hasTrailers
      ? setHeader(reply, headers, 'content-length', undefined)
      : undefined
  }
  if (isStream || payload === null || payload === undefined) {
    throw new TransactionUsageError(`the header content-length must be a number of bytes, not '${toText(length)}'`)
  }
  setHeader(reply, headers, 'content-length', undefined)
}

function toText (value: unknown): string {
  return Reflect.apply(String, undefined, [value])
}

/** Has Node write the head of a response that goes nowhere: exactly what it will do after the COMMIT. */
function tryHead (reply: FastifyReply, headers: Headers, payload: unknown): void {
  const names = trailerNames(reply)
  const isText = typeof payload === 'string' || Buffer.isBuffer(payload)
  // What Fastify will add.
  const added: Headers = names.length > 0
    ? { 'transfer-encoding': 'chunked', trailer: names.join(' ') }
    : isText
    ? { 'content-length': Buffer.byteLength(payload) }
    : {}
  new ServerResponse(reply.request.raw).writeHead(
    reply.statusCode,
    { ...headers, ...added } as Parameters<ServerResponse['writeHead']>[1]
  )
}

function checkPayload (body: unknown): void {
  if (isReadable(body) && body.destroyed && !body.readableEnded) {
    throw body.errored ?? new TransactionUsageError('the stream that was sent was destroyed before')
  }
  const isSendable = body === undefined || body === null || typeof body === 'string' || Buffer.isBuffer(body) ||
    isReadable(body)
  if (!isSendable) {
    throw new TransactionUsageError(
      'an onSend hook left a payload that is no string, Buffer or stream that can be read'
    )
  }
}
