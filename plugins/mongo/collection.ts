import type { Document, IndexDescription } from 'mongodb'
import { FIRST_TIMESTAMP, IdSchema, LAST_TIMESTAMP } from '../../schemas/common.ts'
import type { ConstraintProblem } from '../../drizzle/constraints.ts'

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
const NUMBER = ['int', 'long', 'double']

/** An id of a row: a whole number that a double holds exactly. */
export const ID = toNumberRule(IdSchema)

/** A number that counts something up. */
export const COUNTER = { bsonType: NUMBER, multipleOf: 1, minimum: 0, maximum: Number.MAX_SAFE_INTEGER }

/** The rule of a date, beside `$jsonSchema`, which has no bounds for dates: the instants that the API has words for. */
export const TIMESTAMP = { $gte: new Date(FIRST_TIMESTAMP), $lte: new Date(LAST_TIMESTAMP) }

/** No control character, and something that is no blank: what `visible-line` says, as far as the server can. */
const VISIBLE_LINE = '^(?=.*[^\\s\\p{Z}\\p{Cf}])[^\\x{00}-\\x{1f}\\x{7f}-\\x{9f}\\x{2028}\\x{2029}]*\\z'

interface TextSchema {
  minLength?: number
  maxLength?: number
  pattern?: string
  format?: string
}

/**
 * The rule of a text in a validator: the bounds of the schema, and its pattern in the server's words. There `$` also
 * matches before a line break at the end.
 * @param schema the field in the schema of the API
 */
export function toTextRule ({ minLength = 0, maxLength, pattern, format }: TextSchema): Document {
  const rule = format === 'visible-line' ? VISIBLE_LINE : pattern?.replace(/\$$/, '\\z')
  return {
    bsonType: 'string',
    minLength,
    ...(maxLength === undefined ? {} : { maxLength }),
    ...(rule === undefined ? {} : { pattern: rule })
  }
}

/**
 * The rule of a whole number in a validator: the bounds of the schema.
 * @param schema the field in the schema of the API
 * @public
 */
export function toNumberRule ({ minimum, maximum }: { minimum?: number; maximum?: number }): Document {
  return {
    bsonType: NUMBER,
    multipleOf: 1,
    ...(minimum === undefined ? {} : { minimum }),
    ...(maximum === undefined ? {} : { maximum })
  }
}
