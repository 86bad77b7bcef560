import type { FastifySchemaValidationError } from 'fastify/types/schema.js'

/** Schema of a path or query. */
export interface TextSchema {
  properties?: Record<string, { type?: unknown }>
}

/** JSON's spelling of numbers without exponent: no sign but minus, no leading zero, no other base. */
const NUMBER = /^-?(0|[1-9][0-9]*)(\.[0-9]+)?$/
const INTEGER = /^(0|-?[1-9][0-9]*)$/

/**
 * Numbers of a path or query that are not spelled the one way: `0x17`, `+23`, `023`, `23e0` and a line break before 23 all are 23 to a
 * coercing validator.
 *
 * @param schema of the path or query
 * @param data names and texts, before they are coerced
 * @returns an error for each, as Ajv would report it
 */
export function findMisspelledNumbers (schema: TextSchema, data: unknown): FastifySchemaValidationError[] {
  const texts = data as Record<string, unknown>
  return Object.entries(schema.properties ?? {}).flatMap(([name, { type }]) => {
    if ((type !== 'integer' && type !== 'number') || !Object.hasOwn(texts, name)) return []
    const value = texts[name]
    if (typeof value !== 'string' || (type === 'integer' ? INTEGER : NUMBER).test(value)) return []
    return [{
      keyword: 'type',
      instancePath: `/${name}`,
      schemaPath: `#/properties/${name}/type`,
      params: { type },
      message: `must be ${type}`
    }]
  })
}
