interface Schema {
  $ref?: string
  $id?: string
  type?: string | string[]
  enum?: unknown[]
  const?: unknown
  anyOf?: Schema[]
  oneOf?: Schema[]
  items?: Schema
  maxItems?: number
  properties?: Record<string, Schema>
  additionalProperties?: unknown
  maxLength?: number
}

/** A character beyond the basic plane, written as two `\u` escapes. */
const BYTES_PER_CHARACTER = 12
const BYTES_PER_NAME_CHARACTER = 6
const BYTES_PER_NUMBER = 32
/** Quotes, colon, comma, and the white space of an indented text. */
const BYTES_PER_VALUE = 32
/** No limit is below this: small bodies cost nothing, and what is wrong with them can be said. */
const LEAST = 16_384

/**
 * The longest body that a schema can admit, in bytes, however its JSON is written within reason.
 *
 * @param schema of the body
 * @param find finds the schema of a `$ref`
 * @returns bytes; undefined where the schema sets no bound
 */
export function getBodyLimit (schema: Schema, find: (id: string) => Schema | undefined): number | undefined {
  const size = getSize(schema, find)
  return Number.isFinite(size) ? Math.max(LEAST, size) : undefined
}

function getSize (schema: Schema, find: (id: string) => Schema | undefined): number {
  if (schema.$ref !== undefined) {
    const target = find(schema.$ref.replace(/#$/, ''))
    return target === undefined ? Infinity : getSize(target, find)
  }
  const choices = schema.anyOf ?? schema.oneOf
  if (choices !== undefined) return Math.max(...choices.map((choice) => getSize(choice, find)))
  if (schema.enum !== undefined) return Math.max(...schema.enum.map((value) => getTextSize(String(value).length)))
  return BYTES_PER_VALUE + getTypeSize(schema, find)
}

function getTypeSize (schema: Schema, find: (id: string) => Schema | undefined): number {
  switch (schema.type) {
    case 'string':
      return getTextSize(schema.maxLength ?? Infinity)
    case 'array':
      return (schema.maxItems ?? Infinity) * getSize(schema.items ?? {}, find)
    case 'object':
      return schema.additionalProperties === false ? getObjectSize(schema.properties ?? {}, find) : Infinity
    case 'integer':
    case 'number':
    case 'boolean':
    case 'null':
      return BYTES_PER_NUMBER
    default:
      return Infinity
  }
}

function getObjectSize (properties: Record<string, Schema>, find: (id: string) => Schema | undefined): number {
  return Object.entries(properties).reduce(
    (sum, [name, schema]) => sum + BYTES_PER_VALUE + name.length * BYTES_PER_NAME_CHARACTER + getSize(schema, find),
    0
  )
}

function getTextSize (characters: number): number {
  return BYTES_PER_VALUE + characters * BYTES_PER_CHARACTER
}
