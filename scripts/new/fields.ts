/** What is wrong with the words of a command; one line that says what to do. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
}

/** A field of a resource that is to be made. */
export type Field = { name: string; isUnique: boolean } & FieldType

type FieldType =
  | { type: 'text'; maxLength: number }
  | { type: 'integer'; minimum: number; maximum: number }
  | { type: 'decimal'; precision: number; scale: number }
  | { type: 'boolean' }

const FIELD = /^([A-Za-z_][\w-]*):([A-Za-z]+)(?:\(([^)]*)\))?(?::(unique))?$/
const NAME = /^[a-z][a-z0-9]*(?:_[a-z0-9]+)*$/
const GIVEN_TO_ALL = new Set(['id', 'version', 'created_at', 'updated_at'])
// Columns that PostgreSQL gives to every table, and what every JavaScript object has.
const TAKEN = new Set(['cmax', 'cmin', 'constructor', 'ctid', 'tableoid', 'xmax', 'xmin'])
/** What a list is asked by, beside its filters. */
const QUERY = new Set(['after', 'limit', 'skip', 'sort'])
/** What people write who come from elsewhere. */
const MEANT: Record<string, string> = {
  string: 'text',
  varchar: 'text',
  char: 'text',
  int: 'integer',
  number: 'integer',
  bool: 'boolean',
  numeric: 'decimal(10,2)',
  money: 'decimal(10,2)',
  float: 'decimal(10,2)',
  double: 'decimal(10,2)'
}
const TYPES = 'text, text(500), integer, integer(1,5), decimal(10,2), boolean'
const LARGEST_INTEGER = 2_147_483_647
const LONGEST_TEXT = 100_000
/** The tests of a resource make fewer items than this. */
export const ITEMS = 20
/** Characters, of four bytes each, that the key of an index in PostgreSQL has room for. */
const LONGEST_UNIQUE = 600

/**
 * Reads one word such as `price:decimal(10,2)` or `name:text:unique`.
 * @throws UsageError when it is none
 */
export function parseField (word: string): Field {
  const [, name, type = '', bounds, unique] = FIELD.exec(word) ?? []
  if (name === undefined) {
    throw new UsageError(`"${word}" is no field: write name:type, or name:type:unique; the types are ${TYPES}`)
  }
  checkName(word, name, unique !== undefined)
  const field: Field = { name, isUnique: unique !== undefined, ...parseType(word, type, parseBounds(word, bounds)) }
  if (field.isUnique && countValues(field) < ITEMS) {
    throw new UsageError(`"${word}" has less than ${ITEMS} values: leave out unique, or widen it`)
  }
  if (field.isUnique && field.type === 'text' && field.maxLength > LONGEST_UNIQUE) {
    throw new UsageError(`"${word}" is too long for a unique index: ${LONGEST_UNIQUE} characters at most`)
  }
  return field
}

function checkName (word: string, name: string, isUnique: boolean): void {
  if (!NAME.test(name)) {
    const snake = name.replace(/([a-z0-9])([A-Z])/g, '$1_$2').replace(/[-_]+/g, '_').replace(/^_|_$/g, '').toLowerCase()
    throw new UsageError(`"${word}" is no field: its name is lower case, with _ between words, such as ${snake}`)
  }
  if (GIVEN_TO_ALL.has(name)) throw new UsageError(`Every resource has a field ${name}: leave it out`)
  if (TAKEN.has(name)) throw new UsageError(`"${word}" has a name that databases use: take another, such as my_${name}`)
  if (isUnique && QUERY.has(name)) {
    throw new UsageError(`"${word}" would be a filter of the list, which has a ${name} already: take another name`)
  }
}

function parseBounds (word: string, bounds: string | undefined): number[] {
  if (bounds === undefined) return []
  const numbers = bounds.split(',').map((bound) => bound.trim())
  if (!numbers.every((number) => /^-?\d{1,10}$/.test(number))) {
    throw new UsageError(`The bounds of "${word}" are no whole numbers: the types are ${TYPES}`)
  }
  return numbers.map(Number)
}

function parseType (word: string, type: string, bounds: number[]): FieldType {
  switch (type) {
    case 'text': {
      const [maxLength = 200, ...more] = bounds
      if (maxLength < 1 || maxLength > LONGEST_TEXT || more.length > 0) break
      return { type, maxLength }
    }
    case 'integer': {
      const [minimum = 0, maximum = LARGEST_INTEGER] = bounds
      const isSmall = minimum >= -LARGEST_INTEGER && maximum <= LARGEST_INTEGER
      if (bounds.length === 1 || bounds.length > 2 || minimum > maximum || !isSmall) break
      return { type, minimum, maximum }
    }
    case 'decimal': {
      const [precision = 10, scale = 2] = bounds
      if (bounds.length === 1 || bounds.length > 2 || precision < 1 || precision > 18) break
      if (scale < 0 || scale > precision) break
      return { type, precision, scale }
    }
    case 'boolean':
      if (bounds.length > 0) break
      return { type }
    default: {
      const meant = MEANT[type.toLowerCase()]
      const hint = meant === undefined ? '' : `write ${meant}; `
      throw new UsageError(`"${word}" has a type that is not known: ${hint}the types are ${TYPES}`)
    }
  }
  throw new UsageError(
    `"${word}" has bounds that cannot be: text(1) to text(${LONGEST_TEXT}), integer(minimum,maximum), decimal(digits up to 18,places)`
  )
}

/** How many values a field can have; of texts, more than anybody counts. */
export function countValues (field: Field): number {
  switch (field.type) {
    case 'boolean':
      return 2
    case 'integer':
      return field.maximum - field.minimum + 1
    case 'decimal':
      return 10 ** field.precision
    default:
      return 10 ** Math.min(field.maxLength, 10)
  }
}
