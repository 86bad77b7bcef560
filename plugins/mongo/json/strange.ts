import { ObjectId, type Document } from 'mongodb'
import type { TObject, TSchema } from '@sinclair/typebox'
import { FIRST_TIMESTAMP, LAST_TIMESTAMP } from '../../../schemas/common.ts'
import { compileText } from './text.ts'

/** A document that the schema of a list does not admit. Who wrote it went past the validator of the collection. */
export interface StrangeDocument {
  /** Its `_id`, whatever type that has. */
  id: unknown
  /** What is wrong, without a value of the document. */
  reason: string
}

/** Thrown where a single document is read that its schema does not admit. Code `DOCUMENT_STRANGE`. */
export class StrangeDocumentError extends Error {
  override readonly name = 'StrangeDocumentError'
  readonly code = 'DOCUMENT_STRANGE'
  readonly collection: string
  readonly id: unknown
  readonly reason: string

  constructor (collection: string, { id, reason }: StrangeDocument) {
    super(`A document of ${collection} does not fit its schema: ${reason}.`)
    this.collection = collection
    this.id = id
    this.reason = reason
  }
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
    isAllowed: toCheck(property)
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

function toCheck (property: TSchema): Check {
  const { type, format, minimum = -Infinity, maximum = Infinity } = property
  if (format === 'date-time') return isTimestamp
  if (type === 'string') {
    const isText = compileText(property)
    return (value) => typeof value === 'string' && isText(value)
  }
  if (type === 'boolean') return (value) => typeof value === 'boolean'
  const isNumber = type === 'integer' ? Number.isSafeInteger : Number.isFinite
  return (value) => typeof value === 'number' && isNumber(value) && value >= minimum && value <= maximum
}

function isTimestamp (value: unknown): boolean {
  const time = value instanceof Date ? value.getTime() : Number.NaN
  return time >= FIRST_TIMESTAMP && time <= LAST_TIMESTAMP
}
