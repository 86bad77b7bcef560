import { isUtf8 } from 'node:buffer'
import createError from '@fastify/error'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { isWellFormed } from './well-formed.ts'

const EncodingError = createError('BODY_NOT_UTF8', 'The body is not valid UTF-8.', 400)
const SurrogateError = createError('BODY_HALF_SURROGATE', 'The body escapes half of a surrogate pair.', 400)
const CharsetError = createError('BODY_CHARSET', 'The body is declared in another charset than UTF-8.', 415)
const EmptyBodyError = createError('FST_ERR_CTP_EMPTY_JSON_BODY', 'The body is empty.', 400)

/** An escaped surrogate: only then can a parsed text be malformed. */
const ESCAPED_SURROGATE = /\\u[dD][89a-fA-F]/

/**
 * Parses JSON bodies and refuses what could only be stored changed: bytes that are no UTF-8 (RFC 8259, 8.1), half of a
 * surrogate pair, other charsets. An empty body is none on routes that take none.
 */
export function parseJsonStrictly (app: FastifyInstance): void {
  const parse = app.getDefaultJsonParser('error', 'error')
  app.removeContentTypeParser('application/json')
  app.addContentTypeParser('application/json', { parseAs: 'buffer' }, function parseJson (request, payload, done) {
    const bytes = payload as Buffer
    if (bytes.length === 0 && request.routeOptions.schema?.body === undefined) return done(null, undefined)
    const mistake = findMistake(request, bytes)
    if (mistake !== undefined) return done(mistake, undefined)
    const text = bytes.toString()
    void parse(request, text, (error, value: unknown) => {
      if (error !== null && error !== undefined) return done(error, undefined)
      if (ESCAPED_SURROGATE.test(text) && !isWellFormed(value)) return done(new SurrogateError(), undefined)
      done(null, value)
    })
  })
}

function findMistake ({ headers }: FastifyRequest, bytes: Buffer): Error | undefined {
  if (!isInUtf8(headers['content-type'] ?? '')) return new CharsetError()
  if (bytes.length === 0) return new EmptyBodyError()
  return isUtf8(bytes) ? undefined : new EncodingError()
}

/** Whether a media type names no charset but UTF-8. */
function isInUtf8 (mediaType: string): boolean {
  if (mediaType === 'application/json') return true
  const names = mediaType.matchAll(/;\s*charset\s*=\s*"?([^";\s]*)"?/gi)
  return [...names].every(([, name = '']) => /^utf-?8$/i.test(name))
}
