import { JsonWriter, toLabel, type Label } from '../../common/json-writer.ts'
import type { JsonObject } from './object.ts'
import type { JsonValue } from './value.ts'

interface Field extends JsonValue {
  label: Label
  /** Where the next value is; a parent's stays where it is. */
  at: number
}

// Bytes of JSON text.
const [QUOTE, COMMA, DASH, DOT, ZERO] = [0x22, 0x2c, 0x2d, 0x2e, 0x30]
const [C, CLOSE, N, END] = [0x43, 0x5d, 0x6e, 0x7d]
/** What PostgreSQL writes between the elements of an array. */
const SEPARATOR = ', '
/** `"2025-03-30T01:02:03` */
const SECONDS_LENGTH = 20
const endOfInstant = toLabel('Z"')
/** What is read and what is written, one of each for all: an item is written without a pause. */
const [source, target] = [new JsonWriter(), new JsonWriter()]

/**
 * Prepares writing objects whose values PostgreSQL has collected, a JSON array for each field: bytes are copied from the
 * arrays, no text is made of any value.
 * @param json the objects
 * @returns takes the arrays in the order of the values, their length, and the id of the parent as text. Undefined where
 * JSON has no words for one of the objects
 */
export function compileArrays (
  { parts }: Pick<JsonObject, 'parts'>
): (arrays: string[], count: number, parent: string) => string | undefined {
  const fields = parts.flatMap(({ label, value }): Field[] =>
    value === undefined ? [] : [{ ...value, label: toLabel(label), at: 0 }]
  )
  return function writeObjects (arrays, count, parent) {
    load(fields, arrays, parent)
    target.clear()
    for (let place = 0; place < count; place++) {
      if (place > 0) target.writeByte(COMMA)
      for (const field of fields) {
        target.writeLabel(field.label)
        if (field.isParent) target.copyBytes(source, field.at, field.at + parent.length)
        else {
          const end = writeValue(field)
          if (end === undefined) return undefined
          field.at = end + SEPARATOR.length
        }
      }
      target.writeByte(END)
    }
    target.isAscii &&= source.isAscii
    return target.toString()
  }
}

function load (fields: Field[], arrays: string[], parent: string): void {
  source.clear()
  let at = 0
  for (const field of fields) {
    field.at = source.at + (field.isParent ? 0 : '['.length)
    source.writeText(field.isParent ? parent : arrays[at++] ?? '')
  }
}

/** Where the value ends; undefined where JSON has no word for it. */
function writeValue (field: Field): number | undefined {
  const { kind, at } = field
  const first = source.view.getUint8(at)
  const isPlain = first !== N && kind !== 'date' && (kind !== 'number' || first !== QUOTE)
  if (isPlain) return target.copyValue(source, at)
  const end = kind === 'date' ? copyInstant(at) : undefined
  if (end !== undefined) return end
  const last = findEnd(at)
  const json = field.write(source.getText(at, last))
  if (json === undefined) return undefined
  target.writeText(json)
  return last
}

/** Copies an instant of a year with four digits; undefined for all else. */
function copyInstant (at: number): number | undefined {
  const { view } = source
  const secondsEnd = at + SECONDS_LENGTH
  if (view.getUint8(at) !== QUOTE || view.getUint8(at + 5) !== DASH) return undefined
  const mark = view.getUint8(secondsEnd)
  if (mark !== QUOTE && mark !== DOT) return undefined
  const end = findEnd(at)
  if (view.getUint8(end - 2) === C) return undefined // before Christ
  target.copyBytes(source, at, secondsEnd)
  target.writeByte(DOT)
  for (let i = secondsEnd + 1; i < secondsEnd + 4; i++) target.writeByte(i < end - 1 ? view.getUint8(i) : ZERO)
  target.writeLabel(endOfInstant)
  return end
}

/** Where a value ends that has no escapes in it. */
function findEnd (at: number): number {
  const { view } = source
  let end = at + 1
  if (view.getUint8(at) === QUOTE) {
    while (view.getUint8(end) !== QUOTE) end++
    return end + 1
  }
  for (let byte = view.getUint8(end); byte !== COMMA && byte !== CLOSE; byte = view.getUint8(end)) end++
  return end
}
