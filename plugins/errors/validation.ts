import type { FastifySchemaValidationError } from 'fastify/types/schema.js'
import { TEXT_PATTERN } from '../../schemas/common.ts'
import type { ProblemError } from '../../schemas/problem.ts'
import { FORMAT_SENTENCES } from '../validation/formats.ts'

/** The most `errors` a problem lists. */
export const MAX_ERRORS = 50
const MAX_POINTER = 200
const PLACES = { params: 'path', querystring: 'query', headers: 'header' } as const

/**
 * Turns Ajv's errors into pointers and sentences that never repeat a value.
 * @param errors what the validator found
 * @param context the part of the request it looked at: body, params, querystring or headers
 * @returns at most MAX_ERRORS entries
 */
export function validationErrors (errors: FastifySchemaValidationError[], context = 'body'): ProblemError[] {
  const place = PLACES[context as keyof typeof PLACES]
  return errors.slice(0, MAX_ERRORS).map((error) => ({
    pointer: getPointer(error),
    detail: sentence(error),
    ...(place === undefined ? {} : { in: place })
  }))
}

function getPointer ({ instancePath, params }: FastifySchemaValidationError): string {
  const name = params.missingProperty ?? params.additionalProperty ?? params.unevaluatedProperty
  const whole = typeof name === 'string' ? `${instancePath}/${escape(name)}` : instancePath
  return whole.length > MAX_POINTER ? `${whole.slice(0, MAX_POINTER)}…` : whole
}

function escape (name: string): string {
  return name.replaceAll('~', '~0').replaceAll('/', '~1')
}

function sentence ({ keyword, params, message }: FastifySchemaValidationError): string {
  if (keyword === 'required') return 'is required'
  if (keyword === 'additionalProperties') {
    return params.known instanceof Array
      ? unknownParameter(params.known)
      : 'is not a known field'
  }
  if (keyword === 'enum' && params.allowedValues instanceof Array) {
    return `must be one of ${params.allowedValues.join(', ')}`
  }
  if (keyword === 'format') {
    return FORMAT_SENTENCES[String(params.format)] ?? `must be in the format ${String(params.format)}`
  }
  if (keyword === 'pattern' && params.pattern === TEXT_PATTERN) return 'must not hold the character NUL'
  if (keyword === 'minProperties') return 'must have at least one field'
  return message ?? 'is not valid'
}

function unknownParameter (known: unknown[]): string {
  return known.length === 0
    ? 'is not a known parameter; there are none'
    : `is not a known parameter; known are ${known.join(', ')}`
}
