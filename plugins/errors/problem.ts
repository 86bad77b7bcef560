import type { FastifyError, FastifyRequest } from 'fastify'
import type { ConstraintProblem } from '../../drizzle/constraints.ts'
import type { Problem, ProblemError } from '../../schemas/problem.ts'
import { mapError } from 'fastify-transaction'
import { CATALOG, isProblemType, typeOfStatus, type ProblemType } from './catalog.ts'
import { isFirstOnly } from '../validation/partial.ts'
import { findFields, findKeyFault } from './fields.ts'
import { isHangUp } from './hang-up.ts'
import { MAX_ERRORS, validationErrors } from './validation.ts'

/** A problem body with what belongs in the headers beside it. */
export interface ProblemReply {
  body: Problem
  /** Seconds for the Retry-After header. */
  retryAfter?: number
}

interface Parts {
  status: number
  type: ProblemType
  detail?: string
  errors?: ProblemError[]
  retryAfter?: number
}
type Known = Partial<FastifyError> & { expose?: boolean; type?: unknown; errors?: unknown; retryAfter?: unknown }

// Messages of these can be shown in words of our own; the errors' own messages may repeat what was sent.
const BY_CODE: Record<string, Omit<Parts, 'errors'>> = {
  FST_ERR_BAD_URL: {
    status: 400,
    type: 'bad-request',
    detail: 'The path holds a % that is not followed by two hexadecimal digits of valid UTF-8'
  },
  FST_ERR_CTP_EMPTY_JSON_BODY: { status: 400, type: 'bad-request', detail: 'The body is empty; it must be JSON' },
  FST_ERR_CTP_INVALID_JSON_BODY: { status: 400, type: 'bad-request', detail: 'The body is not valid JSON' },
  BODY_NOT_UTF8: { status: 400, type: 'bad-request', detail: 'The body is not valid UTF-8' },
  BODY_HALF_SURROGATE: {
    status: 400,
    type: 'bad-request',
    detail: 'A text of the body holds half of a surrogate pair, which is no character'
  },
  BODY_CHARSET: { status: 415, type: 'unsupported-media-type', detail: 'The charset of the body must be UTF-8' },
  BODY_CODING: {
    status: 415,
    type: 'unsupported-media-type',
    detail: 'The body must be sent as it is, without Content-Encoding or a transfer coding other than chunked'
  },
  URL_NOT_UTF8: { status: 400, type: 'bad-request', detail: 'The URL must be ASCII, with percent-encoded UTF-8' },
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: {
    status: 400,
    type: 'bad-request',
    detail: 'The body is not as long as Content-Length says'
  },
  FST_ERR_CTP_BODY_TOO_LARGE: { status: 413, type: 'body-too-large' },
  FST_ERR_CTP_INVALID_MEDIA_TYPE: { status: 415, type: 'unsupported-media-type' },
  FST_ERR_MAX_PARAM_LENGTH: { status: 414, type: 'uri-too-long' },
  HOST_HEADER: { status: 400, type: 'bad-request', detail: 'A request of HTTP/1.1 needs one Host header' },
  HOST_NAME: {
    status: 421,
    type: 'client-error',
    detail: 'In development only names of this machine are answered, such as localhost; ALLOWED_HOSTS lists others'
  },
  DOCUMENT_STRANGE: { status: 500, type: 'document-unreadable' },
  ROUTE_CROWDED: { status: 503, type: 'unavailable', retryAfter: 1 },
  ANSWERS_IN_FLIGHT: { status: 503, type: 'unavailable', retryAfter: 1 },
  OVERLOADED: { status: 503, type: 'unavailable', retryAfter: 10 },
  DATABASE_DOWN: { status: 503, type: 'database-unavailable', retryAfter: 1 },
  PAIR_REFUSED: { status: 503, type: 'database-unavailable', retryAfter: 10 }
}

/** For log and metrics: nobody is there to read it. */
const GONE: Parts = { status: 499, type: 'client-error' }

/**
 * Turns anything that was thrown into a problem body that holds no SQL, value, driver message, host or stack.
 * @param error what was thrown
 * @param request that failed, whose id is the instance
 * @param constraints name of constraint or index → pointer and detail
 * @returns body and headers of the answer
 */
export function toProblem (
  error: unknown,
  request: Pick<FastifyRequest, 'id' | 'raw'>,
  constraints: Record<string, ConstraintProblem>
): ProblemReply {
  const { status, type, detail, errors, retryAfter } = toParts(error, request, constraints)
  const { title, detail: usual } = CATALOG[type]
  const body: Problem = { type: `/docs/problems#${type}`, title, status, detail: detail ?? usual, instance: request.id }
  if (errors !== undefined && errors.length > 0) body.errors = errors.slice(0, MAX_ERRORS)
  return retryAfter === undefined ? { body } : { body, retryAfter }
}

function toParts (
  error: unknown,
  request: Pick<FastifyRequest, 'raw'>,
  constraints: Record<string, ConstraintProblem>
): Parts {
  const known: Known = error instanceof Error ? error : {}
  if (known.validation !== undefined) return invalidParts(known.validation, known.validationContext)
  const byCode = BY_CODE[known.code ?? '']
  if (byCode !== undefined) return byCode
  const answer = mapError(error)
  if (answer === undefined) return isHangUp(error, request) ? GONE : statedParts(known)
  if (findKeyFault(error) !== undefined) return { status: 500, type: 'internal' }
  const { errors, detail } = findFields(error, constraints)
  const type = isProblemType(answer.type) ? answer.type : typeOfStatus(answer.status)
  const retryAfter = typeof known.retryAfter === 'number' ? known.retryAfter : answer.retryAfter
  return {
    status: answer.status,
    type,
    errors,
    ...(detail !== undefined && answer.status === 409 ? { detail } : {}),
    ...(retryAfter === undefined ? {} : { retryAfter })
  }
}

function invalidParts (validation: NonNullable<Known['validation']>, context: string | undefined): Parts {
  const count = validation.length
  const place = { params: 'path', querystring: 'query', headers: 'headers' }[context ?? ''] ?? 'body'
  if (isFirstOnly(validation)) {
    return {
      status: 400,
      type: 'invalid-request',
      detail: `The ${place} of the request is too large to look for all its errors; the first one is told`,
      errors: validationErrors(validation, context)
    }
  }
  const noun = count === 1 ? '1 error' : `${count > MAX_ERRORS ? `${MAX_ERRORS} of ${count}` : count} errors`
  return {
    status: 400,
    type: 'invalid-request',
    detail: `The ${place} of the request has ${noun}`,
    errors: validationErrors(validation, context)
  }
}

// Errors that state a status: the message is shown only where it was written for clients (http-errors: `expose`).
function statedParts (known: Known): Parts {
  const status = known.statusCode ?? 500
  if (!Number.isInteger(status) || status < 400 || status > 599) return { status: 500, type: 'internal' }
  const type = isProblemType(known.type) ? known.type : typeOfStatus(status)
  const parts: Parts = { status, type }
  if (known.expose === true && status < 500 && known.message !== undefined) parts.detail = known.message
  if (known.expose === true && known.errors instanceof Array) parts.errors = known.errors as ProblemError[]
  if (typeof known.retryAfter === 'number') parts.retryAfter = known.retryAfter
  else if (status === 503 || status === 429) parts.retryAfter = 1
  return parts
}
