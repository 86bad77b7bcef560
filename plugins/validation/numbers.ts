import type { FastifySchemaValidationError } from 'fastify/types/schema.js'

/** Schema of a path or query. */
export interface TextSchema {
  properties?: Record<string, { type?: unknown }>
}

/** JSON's spelling of numbers without exponent: no sign but minus, no leading zero, no other base. */
const NUMBER = /^-?(0|[1-9][0-9]*)(\.[0-9]+)?$/
const INTEGER = /^(0|-?[1-9][0-9]*)$/

type NumberCheck = (data: unknown) => FastifySchemaValidationError[]

/**
 * Finds numbers of a path or query that are not spelled the one way: `0x17`, `+23`, `023`, `23e0` and a line break
 * before 23 all are 23 to a coercing validator.
 *
 * @param schema of the path or query
 * @returns a function that takes names and texts before they are coerced, and returns an error for each, as Ajv would
 * report it
 */
export function createNumberCheck (schema: TextSchema): NumberCheck {
  const numbers = Object.entries(schema.properties ?? {}).flatMap(([name, { type }]) =>
    type === 'integer' || type === 'number' ? [{ name, type, spelling: type === 'integer' ? INTEGER : NUMBER }] : []
  )
  return function findMisspelledNumbers (data) {
    const texts = data as Record<string, unknown>
    const misspelled = numbers.filter(({ name, spelling }) => {
      const value = Object.hasOwn(texts, name) ? texts[name] : undefined
      return typeof value === 'string' && !spelling.test(value)
    })
    return misspelled.map(({ name, type }) => ({
      keyword: 'type',
      instancePath: `/${name}`,
      schemaPath: `#/properties/${name}/type`,
      params: { type },
      message: `must be ${type}`
    }))
  }
}
