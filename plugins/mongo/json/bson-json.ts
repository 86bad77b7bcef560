import type { TObject, TSchema } from '@sinclair/typebox'
import { BSON } from 'mongodb'
import { FIRST_TIMESTAMP, LAST_TIMESTAMP } from '../../../schemas/common.ts'
import { BSON_TYPES, getSize, readLong, readNumber, toSource, type Source } from './bson-type.ts'
import { JsonWriter, toLabel, type Label } from '../../common/json-writer.ts'
import type { StrangeDocument } from './strange.ts'
import { compileText, getPlainLengths, type Lengths } from './text.ts'

/** A batch of documents as the text of a JSON array. */
export interface JsonBatch {
  /** `[{…},{…}]`, or its bytes where they are many; as many documents as the bounds allow. */
  json: string | Buffer
  /** Characters of its documents. */
  characters: number
  /** The last document of `json` as JSON text; undefined when there is none. */
  last: string | undefined
  /** True when the batch held more documents. */
  hasMore: boolean
  /** Documents that the schema does not admit; they are left out. */
  strange: StrangeDocument[]
}

interface Field {
  /** The document's field name as it stands in BSON, its closing zero byte included; also in words of four bytes, the rest left out. */
  key: Buffer
  keyWords: Int32Array
  name: string
  /** `,"name":` */
  label: Label
  type: string
  isDate: boolean
  isRequired: boolean
  minimum: number
  maximum: number
  /** How long a text without control characters may be. */
  plain: Lengths
  isText: (text: string) => boolean
}

// `[`, `,`, `]`, `{` and `}`
const [OPEN, COMMA, CLOSE, BEGIN, END] = [0x5b, 0x2c, 0x5d, 0x7b, 0x7d]
const none = new Uint8Array()
/** One for all: a batch is written without a pause, and memory that was used before is quicker than new one. */
const writer = new JsonWriter()

/**
 * Makes a function that turns the raw documents of a batch into JSON text without building objects, or strings, on the way: the
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
  const writeDocument = compileDocument(getFields(schema, storedAs))
  return function toJson (documents, limit, characters = Infinity) {
    writer.clear()
    writer.writeByte(OPEN)
    const strange: StrangeDocument[] = []
    let source = toSource(documents[0] ?? none)
    let [count, lastAt, written] = [0, writer.at, 0]
    for (const bytes of documents) {
      if (count + strange.length === limit || written >= characters) break
      const { at, surplus, isAscii } = writer
      try {
        // A reply is one piece of memory, as a rule.
        if (bytes.buffer !== source.view.buffer) source = toSource(bytes)
        writeDocument(source, bytes.byteOffset, bytes.byteOffset + bytes.byteLength)
        written += writer.at - at - (writer.surplus - surplus)
        writer.writeByte(COMMA)
        lastAt = at
        count++
      } catch (error) {
        Object.assign(writer, { at, surplus, isAscii })
        strange.push({ id: getId(bytes), reason: error instanceof TypeError ? error.message : 'cannot be read' })
      }
    }
    const last = count === 0 ? undefined : writer.getText(lastAt, writer.at - 1)
    if (count > 0) writer.at--
    writer.writeByte(CLOSE)
    const hasMore = documents.length > count + strange.length
    return { json: writer.toPayload(), characters: written, last, hasMore, strange }
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
    ...toKey(storedAs[name] ?? name),
    name,
    label: toLabel(`,${JSON.stringify(name)}:`),
    type: String(property['type']),
    isDate: property['format'] === 'date-time',
    isRequired: required.includes(name),
    minimum: Number(property['minimum'] ?? -Infinity),
    maximum: Number(property['maximum'] ?? Infinity),
    plain: getPlainLengths(property),
    isText: compileText(property)
  }))
}

function toKey (name: string): Pick<Field, 'key' | 'keyWords'> {
  const key = Buffer.from(`${name}\0`)
  return { key, keyWords: Int32Array.from({ length: key.length >> 2 }, (_, at) => key.readInt32LE(4 * at)) }
}

function compileDocument (
  fields: Field[]
): (source: Source, from: number, to: number) => void {
  const requiredCount = fields.filter(({ isRequired }) => isRequired).length
  return function writeDocument (source, from, to) {
    const { bytes, view } = source
    const start = writer.at
    let found = 0
    let expected = 0
    let at = from + 4
    for (let type = view.getUint8(at); type !== 0; type = view.getUint8(at)) {
      const index = indexOfField(fields, view, at + 1, expected)
      const field = fields[index]
      const valueAt = field === undefined ? bytes.indexOf(0, at + 1) + 1 : at + 1 + field.key.length
      at = valueAt + getSize(source, type, valueAt)
      if (at >= to) throw new RangeError('The document is cut off')
      if (field === undefined) continue
      writer.writeLabel(field.label)
      if (!writeValue(source, type, valueAt, field)) throw createTypeError(type, field)
      if (field.isRequired) found++
      expected = index + 1
    }
    if (found < requiredCount) throw new TypeError('it lacks a required field')
    if (writer.at === start) writer.writeByte(COMMA)
    writer.setByte(start, BEGIN) // where the comma of the first label is
    writer.writeByte(END)
  }
}

/** Fields come in the order in which they were written, so the next one is tried first. */
function indexOfField (fields: Field[], view: DataView, at: number, expected: number): number {
  for (let index = expected; index < fields.length; index++) if (isAt(fields[index], view, at)) return index
  for (let index = 0; index < expected; index++) if (isAt(fields[index], view, at)) return index
  return -1
}

function isAt (field: Field | undefined, view: DataView, at: number): boolean {
  if (field === undefined) return false
  const { key, keyWords } = field
  if (at + key.length > view.byteLength) return false
  for (let i = 0; i < keyWords.length; i++) if (keyWords[i] !== view.getInt32(at + 4 * i, true)) return false
  for (let i = 4 * keyWords.length; i < key.length; i++) if (key[i] !== view.getUint8(at + i)) return false
  return true
}

/** False for a value that the schema does not allow. */
function writeValue (source: Source, type: number, at: number, field: Field): boolean {
  const { view } = source
  if (field.isDate) {
    const time = type === BSON_TYPES.date ? readLong(view, at) : Number.NaN
    if (!(time >= FIRST_TIMESTAMP && time <= LAST_TIMESTAMP)) return false
    writer.writeInstant(time)
  } else if (field.type === 'string') {
    if (type === BSON_TYPES.string) return writeString(source, at, field)
    if (type !== BSON_TYPES.objectId) return false
    writer.writeHex(view, at, at + 12)
  } else if (field.type === 'integer' || field.type === 'number') {
    const number = readNumber(view, type, at)
    if (number === undefined || !isAllowed(number, field)) return false
    writer.writeNumber(number)
  } else {
    if (field.type !== 'boolean' || type !== BSON_TYPES.boolean) return false
    writer.writeText(view.getUint8(at) === 1 ? 'true' : 'false')
  }
  return true
}

function writeString ({ bytes, view }: Source, at: number, { plain, isText }: Field): boolean {
  const from = at + 4
  const to = from + view.getInt32(at, true) - 1
  if (to < from) throw new RangeError('A text has no end')
  const { at: start, surplus } = writer
  // A text has as many characters as bytes at most.
  if (to - from <= plain.most) {
    if (writer.writePlain(view, from, to) >= plain.least) return true
    Object.assign(writer, { at: start, surplus })
  }
  const text = bytes.toString('utf8', from, to)
  if (!isText(text)) return false
  writer.writeText(JSON.stringify(text))
  return true
}

function isAllowed (number: number, { type, minimum, maximum }: Field): boolean {
  const isOfType = type === 'number' ? Number.isFinite(number) : Number.isSafeInteger(number)
  return isOfType && number >= minimum && number <= maximum
}

function createTypeError (type: number, { name, isDate, type: wanted }: Field): TypeError {
  const what = isDate ? 'date from year 1 to 9999' : `${wanted} within its bounds`
  return new TypeError(`it holds BSON type ${type} in ${JSON.stringify(name)}, which must be a ${what}`)
}
