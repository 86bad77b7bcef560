import type { FastifySchema, RouteOptions } from 'fastify'
import { problems } from '../../schemas/problem.ts'
import { TAGS_PATTERN } from '../common/portable-schema.ts'

const IF_MATCH = {
  type: 'string',
  maxLength: 1000,
  description: 'ETags of the resource as it may be changed; 412 when it has changed since',
  examples: ['"7-c0ffee00"']
}
const IF_NONE_MATCH = {
  type: 'string',
  maxLength: 1000,
  description: '`*`, or ETags that the resource must not have',
  examples: ['"7-c0ffee00"']
}
const HELD = {
  type: 'string',
  maxLength: 1000,
  description: 'ETags of what the client has; 304 when it is still that',
  examples: ['"7-c0ffee00"']
}
const ETAG = { type: 'string', description: 'Strong entity tag of the resource as it is answered' }

type Answer = { headers?: object } & object

/**
 * Adds to the schema of a route the headers of conditional requests and what they are answered with.
 * @param route its schema is not changed
 * @param isRequired a write without `If-Match` is answered with 428
 */
export function describeConditions ({ schema = {}, method }: RouteOptions, isRequired: boolean): FastifySchema {
  const { headers = {}, response = {} } = schema as {
    headers?: { properties?: object }
    response?: Record<string, Answer>
  }
  const methods = [method].flat()
  const isWrite = methods.some((name) => ['PUT', 'PATCH', 'DELETE'].includes(name))
  const isCreate = methods.includes('POST')
  const asked = isWrite
    ? { 'if-match': IF_MATCH, 'if-none-match': IF_NONE_MATCH }
    : isCreate
    ? {}
    : { 'if-none-match': HELD }
  const answers = Object.entries(response).map((
    [status, answer]
  ) => [status, status === '204' || !status.startsWith('2') ? answer : withTagHeader(answer)])
  return {
    ...schema,
    headers: { type: 'object', ...headers, properties: { ...headers.properties, ...asked } },
    response: {
      ...Object.fromEntries(answers) as Record<string, unknown>,
      ...(isWrite
        ? problems(412)
        : isCreate
        ? {}
        : { 304: { type: 'null', description: 'The client has it already', headers: { ETag: ETAG } } }),
      ...(isWrite && isRequired ? problems(428) : {})
    }
  }
}

function withTagHeader (answer: Answer): Answer {
  return { ...answer, headers: { ...answer.headers, ETag: ETAG } }
}

/**
 * Adds the form of entity tags to the headers of a write, for the document alone: what is not of this form is answered
 * with a sentence by the hook that reads it.
 * @param schema of the operation; is not changed
 */
export function addTagPatterns (schema: FastifySchema): FastifySchema {
  const { headers } = schema as { headers?: { properties?: Record<string, object> } }
  const given = Object.entries(headers?.properties ?? {})
  const properties = Object.fromEntries(
    given.map(([name, header]) => [name, name.startsWith('if-') ? { ...header, pattern: TAGS_PATTERN } : header])
  )
  return { ...schema, headers: { ...headers, properties } }
}
