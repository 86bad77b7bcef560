import { ObjectId, type Document } from 'mongodb'
import type { TObject, TSchema } from '@sinclair/typebox'
import { FIRST_TIMESTAMP, LAST_TIMESTAMP } from '../../../schemas/common.ts'

/** A document that the schema of a list does not admit. Who wrote it went past the validator of the collection. */
export interface StrangeDocument {
  /** Its `_id`, whatever type that has. */
  id: unknown
  /** What is wrong, without a value of the document. */
  reason: string
}

type Check = (value: unknown) => boolean

/**
 * Makes a function that turns a decoded document into an item of a list.
 * @param schema the item; `id` is the document's `_id`
 * @returns the item; a text that says what is wrong where the document is no such item
 */
export function compileItem (schema: TObject): (document: Document) => Record<string, unknown> | string {
  const required: readonly string[] = schema.required ?? []
  const fields = Object.entries(schema.properties).map(([name, property]: [string, TSchema]) => ({
    name,
    stored: name === 'id' ? '_id' : name,
    isRequired: required.includes(name),
    isAllowed: toCheck(property, getIdPattern(name, property))
  }))
  return function toItem (document) {
    const item: Record<string, unknown> = {}
    for (const { name, stored, isRequired, isAllowed } of fields) {
      const found: unknown = document[stored]
      if (found === undefined && !isRequired) continue
      const value = found instanceof ObjectId ? found.toHexString() : found
      if (!isAllowed(value)) return `its ${stored} is missing, or not as the schema has it`
      item[name] = value
    }
    return item
  }
}

/**
 * The pattern that an id has to match: a cursor is made of it.
 * @returns undefined for other fields, and where the schema has none
 */
export function getIdPattern (name: string, { pattern }: TSchema): RegExp | undefined {
  return name === 'id' && typeof pattern === 'string' ? new RegExp(pattern, 'u') : undefined
}

function toCheck ({ type, format, minimum = -Infinity, maximum = Infinity }: TSchema, pattern?: RegExp): Check {
  if (format === 'date-time') return isTimestamp
  if (type === 'string') return (value) => typeof value === 'string' && pattern?.test(value) !== false
  if (type === 'boolean') return (value) => typeof value === 'boolean'
  const isNumber = type === 'integer' ? Number.isSafeInteger : Number.isFinite
  return (value) => typeof value === 'number' && isNumber(value) && value >= minimum && value <= maximum
}

function isTimestamp (value: unknown): boolean {
  const time = value instanceof Date ? value.getTime() : Number.NaN
  return time >= FIRST_TIMESTAMP && time <= LAST_TIMESTAMP
}
