import type { TObject, TSchema } from '@sinclair/typebox'
import { BSON } from 'mongodb'
import { FIRST_TIMESTAMP, LAST_TIMESTAMP } from '../../../schemas/common.ts'
import { isoDate } from './iso-date.ts'
import type { StrangeDocument } from './strange.ts'
import { compileText } from './text.ts'

/** A batch of documents as the text of a JSON array. */
export interface JsonBatch {
  /** `[{…},{…}]`, as many documents as the bounds allow. */
  json: string
  /** The last document of `json` as JSON text; undefined when there is none. */
  last: string | undefined
  /** True when the batch held more documents. */
  hasMore: boolean
  /** Documents that the schema does not admit; they are left out. */
  strange: StrangeDocument[]
}

interface Field {
  /** The document's field name as it stands in BSON, its closing zero byte included. */
  key: Buffer
  /** `"name":` */
  label: string
  type: string
  isDate: boolean
  isRequired: boolean
  minimum: number
  maximum: number
  isText: (text: string) => boolean
}

const types = {
  double: 0x01,
  string: 0x02,
  objectId: 0x07,
  boolean: 0x08,
  date: 0x09,
  null: 0x0a,
  int: 0x10,
  long: 0x12
} as const
/** Characters that JSON escapes; UTF-8 holds no lone surrogates. */
const needsEscape = /["\\\u0000-\u001f]/

/**
 * Makes a function that turns the raw documents of a batch into JSON text without building objects on the way: the
 * fields of `schema`, and only those, in the order in which they are stored.
 *
 * A document that lacks a required field, or holds a type, a text, a number or a date that the schema does not allow, is
 * left out and named; it takes a place of the page. Nested documents are not supported: declare such lists without this.
 *
 * @param schema the item of the response; strings may be stored as string, ObjectId or date, numbers as int, long or
 * double
 * @param storedAs document fields that are called otherwise than the property, for example `{ id: '_id' }`
 * @example
 * const toJson = compileBatch(PostSchema, { id: '_id' })
 * const { cursor } = await db.command({ find: 'posts', limit: 101, singleBatch: true, batchSize: 101 }, { fieldsAsRaw: { firstBatch: true } })
 * const { json, hasMore } = toJson(cursor.firstBatch, 100, 1_000_000) // the text ends with the document that reaches a million characters
 */
export function compileBatch (
  schema: TObject,
  storedAs: Record<string, string> = {}
): (documents: Uint8Array[], limit: number, characters?: number) => JsonBatch {
  const document = compileDocument(getFields(schema, storedAs))
  return function toJson (documents, limit, characters = Infinity) {
    const texts: string[] = []
    const strange: StrangeDocument[] = []
    let left = characters
    for (const bytes of documents) {
      if (texts.length + strange.length === limit || left <= 0) break
      try {
        const text = document(toBuffer(bytes))
        left -= text.length
        texts.push(text)
      } catch (error) {
        strange.push({ id: getId(bytes), reason: error instanceof TypeError ? error.message : 'cannot be read' })
      }
    }
    const hasMore = documents.length > texts.length + strange.length
    return { json: `[${texts.join(',')}]`, last: texts.at(-1), hasMore, strange }
  }
}

function getId (bytes: Uint8Array): unknown {
  try {
    return BSON.deserialize(bytes)['_id'] as unknown
  } catch {
    return undefined
  }
}

function getFields (schema: TObject, storedAs: Record<string, string>): Field[] {
  const required: readonly string[] = schema.required ?? []
  return Object.entries(schema.properties).map(([name, property]: [string, TSchema]) => ({
    key: Buffer.from(`${storedAs[name] ?? name}\0`),
    label: `${JSON.stringify(name)}:`,
    type: String(property['type']),
    isDate: property['format'] === 'date-time',
    isRequired: required.includes(name),
    minimum: Number(property['minimum'] ?? -Infinity),
    maximum: Number(property['maximum'] ?? Infinity),
    isText: compileText(property)
  }))
}

function compileDocument (fields: Field[]): (bytes: Buffer) => string {
  const requiredCount = fields.filter(({ isRequired }) => isRequired).length
  return function documentToJson (bytes) {
    let text = ''
    let found = 0
    let expected = 0
    let at = 4
    for (let type = bytes[at]; type !== undefined && type !== 0; type = bytes[at]) {
      const index = indexOfField(fields, bytes, at + 1, expected)
      const field = fields[index]
      const valueAt = field === undefined ? bytes.indexOf(0, at + 1) + 1 : at + 1 + field.key.length
      if (field !== undefined) {
        text += (text === '' ? '{' : ',') + field.label + valueToJson(bytes, type, valueAt, field)
        if (field.isRequired) found++
        expected = index + 1
      }
      at = valueAt + getSize(bytes, type, valueAt)
    }
    if (found < requiredCount) throw new TypeError('it lacks a required field')
    return text === '' ? '{}' : text + '}'
  }
}

/** Fields come in the order in which they were written, so the next one is tried first. */
function indexOfField (fields: Field[], bytes: Buffer, at: number, expected: number): number {
  for (let step = 0; step < fields.length; step++) {
    const index = (expected + step) % fields.length
    const key = fields[index]?.key
    if (key !== undefined && isAt(key, bytes, at)) return index
  }
  return -1
}

function isAt (key: Buffer, bytes: Buffer, at: number): boolean {
  for (let i = 0; i < key.length; i++) if (key[i] !== bytes[at + i]) return false
  return true
}

function valueToJson (bytes: Buffer, type: number, at: number, field: Field): string {
  if (field.type === 'string') {
    if (type === types.string && !field.isDate) {
      const text = bytes.toString('utf8', at + 4, at + 4 + bytes.readInt32LE(at) - 1)
      if (field.isText(text)) return quote(text)
    }
    if (type === types.objectId && !field.isDate) return `"${bytes.toString('hex', at, at + 12)}"`
    const time = type === types.date ? Number(bytes.readBigInt64LE(at)) : Number.NaN
    if (time >= FIRST_TIMESTAMP && time <= LAST_TIMESTAMP) return `"${isoDate(time)}"`
  } else if (field.type === 'integer' || field.type === 'number') {
    const number = numberAt(bytes, type, at)
    if (number !== undefined && isAllowed(number, field)) return String(number)
  } else if (field.type === 'boolean' && type === types.boolean) {
    return bytes[at] === 1 ? 'true' : 'false'
  }
  const wanted = field.isDate ? 'date from year 1 to 9999' : `${field.type} within its bounds`
  throw new TypeError(`it holds BSON type ${type} in ${field.label.slice(0, -1)}, which must be a ${wanted}`)
}

function isAllowed (number: number, { type, minimum, maximum }: Field): boolean {
  const isOfType = type === 'number' ? Number.isFinite(number) : Number.isSafeInteger(number)
  return isOfType && number >= minimum && number <= maximum
}

function numberAt (bytes: Buffer, type: number, at: number): number | undefined {
  if (type === types.int) return bytes.readInt32LE(at)
  if (type === types.double) return bytes.readDoubleLE(at)
  return type === types.long ? Number(bytes.readBigInt64LE(at)) : undefined
}

function quote (text: string): string {
  return needsEscape.test(text) ? JSON.stringify(text) : `"${text}"`
}

/** Bytes that a value takes: https://bsonspec.org/spec.html */
function getSize (bytes: Buffer, type: number, at: number): number {
  switch (type) {
    case types.double:
    case types.date:
    case types.long:
    case 0x11:
      return 8
    case types.string:
    case 0x0d:
    case 0x0e:
      return 4 + bytes.readInt32LE(at)
    case 0x03:
    case 0x04:
      return bytes.readInt32LE(at)
    case 0x05:
      return 5 + bytes.readInt32LE(at)
    case types.objectId:
      return 12
    case types.boolean:
      return 1
    case types.int:
      return 4
    case 0x13:
      return 16
    case types.null:
    case 0x06:
    case 0x7f:
    case 0xff:
      return 0
    case 0x0b: {
      const optionsAt = bytes.indexOf(0, at) + 1
      return bytes.indexOf(0, optionsAt) + 1 - at
    }
    default:
      throw new TypeError(`it holds the unknown BSON type ${type}`)
  }
}

function toBuffer (bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
