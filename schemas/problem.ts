import { Type, type Static } from '@sinclair/typebox'
import { ref } from './common.ts'

/** One wrong place of a request. */
export const ProblemErrorSchema = Type.Object({
  pointer: Type.String({ description: 'JSON pointer to the wrong value', examples: ['/email'] }),
  detail: Type.String({ examples: ['must match format "email"'] }),
  in: Type.Optional(Type.Unsafe<'path' | 'query' | 'header'>({
    type: 'string',
    enum: ['path', 'query', 'header'],
    description: 'Where the value is when it is not in the body'
  }))
}, { $id: 'ProblemError', additionalProperties: false, description: 'One wrong place of a request' })

/** The body of every answer with a status of 400 or more (RFC 9457). */
export const ProblemSchema = Type.Object({
  type: Type.String({
    description: 'Reference to the description of this problem, relative to the service',
    examples: ['/docs/problems#invalid-request']
  }),
  title: Type.String({ examples: ['The request does not match its schema'] }),
  status: Type.Integer({ minimum: 400, maximum: 599, examples: [400] }),
  detail: Type.String({ examples: ['The request body has 1 error'] }),
  instance: Type.String({ description: 'Id of the request, also in the x-request-id header and in the logs' }),
  errors: Type.Optional(
    Type.Array(ref(ProblemErrorSchema), { maxItems: 50, description: 'What is wrong, place by place' })
  )
}, { $id: 'Problem', additionalProperties: false, description: 'Problem details (RFC 9457)' })

export type ProblemError = Static<typeof ProblemErrorSchema>
export type Problem = Static<typeof ProblemSchema>

const DESCRIPTIONS = {
  400: 'The request cannot be read or does not match its schema',
  404: 'There is no such resource',
  408: 'The request did not arrive completely in time',
  409: 'The request conflicts with what is stored',
  412: 'The resource is not as the request expects it',
  413: 'The request is too large',
  414: 'A part of the path is too long',
  415: 'The media type is not supported',
  422: 'The database refuses the data',
  428: 'The operation must say which state of the resource it changes',
  429: 'More requests of one client than the service allows, where it sets a limit',
  500: 'A fault of the service, or an outcome that is not known',
  503: 'Not available now, try again later',
  504: 'It took too long and was given up'
} as const

const RETRY_HEADERS = { 'Retry-After': { type: 'integer', minimum: 0, description: 'Seconds to wait' } }

export type ProblemStatus = keyof typeof DESCRIPTIONS

type ProblemResponse = {
  description: string
  headers?: object
  content: { 'application/problem+json': { schema: { $ref: string } } }
}

/**
 * Response schemas for a route's problem answers.
 * @param statuses statuses a route can answer beyond those every route can (see plugins/openapi.ts)
 * @returns an object to spread into `schema.response`
 * @example response: { 200: UserSchema, ...problems(404, 409) }
 */
export function problems<S extends ProblemStatus> (...statuses: S[]): Record<S, ProblemResponse> {
  const answers = statuses.map((status) => [status, problemResponse(status)] as const)
  return Object.fromEntries(answers) as Record<S, ProblemResponse>
}

function problemResponse (status: ProblemStatus): ProblemResponse {
  return {
    description: DESCRIPTIONS[status],
    ...(status === 429 || status === 503 ? { headers: RETRY_HEADERS } : {}),
    content: { 'application/problem+json': { schema: { $ref: 'Problem#' } } }
  }
}
