import type { Document, IndexDescription } from 'mongodb'
import type { ConstraintProblem } from '../../drizzle/constraints.ts'
import { MAX_ID } from '../../schemas/common.ts'

/** What MongoDB is told about a collection. A file of collections/ declares one; the service makes it so at boot. */
export interface Collection {
  name: string
  /** Lists are read newest first, so the indexes they use end in the order of the list. */
  indexes: Index[]
  /** What it accepts: the last line behind the schemas of the API, and the only one for other writers. */
  validator?: Document
}

interface Index extends IndexDescription {
  name: string
  /** What a client is told when a unique index refuses its document. */
  problem?: ConstraintProblem
}

/** BSON types of a number: a JavaScript integer above 2^31 is stored as a double, so `int` alone would refuse it. */
export const NUMBER = ['int', 'long', 'double']

/** An id of a row: a whole number that a double holds exactly. */
export const POSITIVE_INTEGER = { bsonType: NUMBER, multipleOf: 1, minimum: 1, maximum: MAX_ID }

/**
 * The rule of a text in a validator. The server knows few keywords of JSON Schema and refuses the others, so only the
 * bounds are taken over.
 * @param schema the field in the schema of the API
 */
export function toTextRule ({ minLength = 0, maxLength }: { minLength?: number; maxLength?: number }): Document {
  return { bsonType: 'string', minLength, ...(maxLength === undefined ? {} : { maxLength }) }
}
