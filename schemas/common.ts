import { Type, type Static, type TSchema } from '@sinclair/typebox'

/** Largest id of a row: columns hold more, but up to here a JSON number is exact in every client. */
export const MAX_ID = Number.MAX_SAFE_INTEGER

/**
 * A reference to a component. Only what is referred to becomes a component of the OpenAPI document; what stands there
 * itself is copied.
 * @param schema a schema with an `$id`, exported by a file of schemas/
 * @param options description of the response, `headers` and the like
 */
export function ref<T extends TSchema> (schema: T, options: Record<string, unknown> = {}) {
  return Type.Unsafe<Static<T>>({ $ref: `${schema.$id ?? ''}#`, ...options })
}

/** Matches the same in every engine of regular expressions. */
export const TEXT_PATTERN = '^[^\\x00]*$'

/**
 * Text with bounds in characters, without the one that PostgreSQL cannot store: NUL. Half of a pair of surrogates is
 * refused where bodies and URLs are read.
 */
export function text (
  minLength: number,
  maxLength: number,
  options: { description?: string; examples?: string[] } = {}
) {
  return Type.String({ minLength, maxLength, pattern: TEXT_PATTERN, ...options })
}

/**
 * Text that people read in one line, such as a name: not only blanks or invisible characters, no control characters.
 */
export function line (minLength: number, maxLength: number, options: { examples?: string[] } = {}) {
  return Type.String({ minLength, maxLength, pattern: TEXT_PATTERN, format: 'visible-line', ...options })
}

/** Values of a closed list; a union of literals would report one error for each of them. */
export function oneOf<const T extends readonly string[]> (values: T, options: Record<string, unknown> = {}) {
  return Type.Unsafe<T[number]>({ type: 'string', enum: values, ...options })
}

/** Shape of an id inside a cursor: its one spelling, 16 digits at most, as `MAX_ID` has. */
export const ID_IN_CURSOR = '[1-9][0-9]{0,15}'

/** The same of a document. */
export const DOCUMENT_ID_IN_CURSOR = '[0-9a-f]{24}'

/** Shape of a time inside a cursor: milliseconds since 1970 in their one spelling, of the years that timestamps have. */
export const TIME_IN_CURSOR = '(?:0|-?[1-9][0-9]{0,14})'

/** Id of a row. */
export const IdSchema = Type.Integer({ minimum: 1, maximum: MAX_ID, examples: [42] })

/** Id of a document. */
export const DocumentIdSchema = Type.String({ pattern: '^[0-9a-f]{24}$', examples: ['66f1c0a5e4b0a1b2c3d4e5f6'] })

/** The instants that `date-time` has words for, in milliseconds: years of four digits, as PostgreSQL has them. */
export const FIRST_TIMESTAMP = Date.parse('0001-01-01T00:00:00.000Z')
export const LAST_TIMESTAMP = Date.parse('9999-12-31T23:59:59.999Z')

/** An instant. Handlers return a Date, clients read ISO 8601 in UTC with milliseconds. */
export const TimestampSchema = Type.Unsafe<Date>({
  type: 'string',
  format: 'date-time',
  examples: ['2025-01-31T12:00:00.000Z']
})

const PLACES = ['no places', 'one place', 'two places', 'three places', 'four places']

/**
 * An exact number that is not negative, as text because JSON numbers are not exact; in its one spelling, with all its
 * places.
 * @param precision digits in all, as NUMERIC counts them
 * @param scale digits behind the point
 */
export function decimal (precision: number, scale: number) {
  const whole = precision - scale
  const places = scale === 0 ? '' : `\\.[0-9]{${scale}}`
  return Type.String({
    pattern: `^${whole <= 0 ? '0' : whole === 1 ? '[0-9]' : `(0|[1-9][0-9]{0,${whole - 1}})`}${places}$`,
    maxLength: Math.max(whole, 1) + (scale === 0 ? 0 : scale + 1),
    description: `Decimal with ${PLACES[scale] ?? `${scale} places`}`,
    examples: [(whole > 1 ? 19.9 : 0.9).toFixed(scale)]
  })
}

/** An amount of money: up to 99 999 999.99. */
export const AmountSchema = decimal(10, 2)

// Optional in the document, always there for a handler: the validator puts the default in.
function withDefault<T extends TSchema> (schema: T): T {
  return Type.Optional(schema) as unknown as T
}

/** Query parameter of a list. */
export const LIMIT = withDefault(
  Type.Integer({
    minimum: 1,
    maximum: 100,
    default: 100,
    description:
      'Items at most. A page ends early, with its `next` link, where it would be too large; with `skip` it is refused'
  })
)

/** Query parameter of a list, optional. */
export const SKIP = Type.Integer({
  minimum: 0,
  maximum: 10_000,
  description: 'Items to leave out; not together with `after`'
})

const cursorDescription =
  'Where the page begins: taken from the `Link` header of the page before; not together with `skip`'

/** Query of a list whose cursor is the id of its last row. */
export const IdPageSchema = Type.Object({
  limit: LIMIT,
  skip: Type.Optional(SKIP),
  after: Type.Optional(Type.Integer({ minimum: 1, maximum: MAX_ID, description: cursorDescription }))
})

/** Query of a list whose cursor is text of this shape. */
export function cursorPage (pattern: string, examples: string[]) {
  return Type.Object({
    limit: LIMIT,
    skip: Type.Optional(SKIP),
    after: Type.Optional(Type.String({ pattern, description: cursorDescription, examples }))
  })
}

/** Headers of a created resource. */
export const CREATED_HEADERS = {
  Location: { type: 'string', description: 'Path of the new resource' },
  'Idempotency-Replayed': {
    type: 'string',
    description: '`true`: the answer to an earlier request with the same Idempotency-Key'
  }
}

/** Headers of a list. */
export const LIST_HEADERS = {
  Link: { type: 'string', description: 'Path of the next page, `rel="next"`; absent on the last one' }
}

/** Answer without a body. */
export const NoContentSchema = Type.Null({ description: 'Deleted' })
