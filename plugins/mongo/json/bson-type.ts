/** Bytes that documents stand in, to be read in both ways. */
export interface Source {
  bytes: Buffer
  view: DataView
}

/** Types of BSON that become JSON. */
export const BSON_TYPES = {
  double: 0x01,
  string: 0x02,
  objectId: 0x07,
  boolean: 0x08,
  date: 0x09,
  null: 0x0a,
  int: 0x10,
  long: 0x12
} as const

/** All of what these bytes are a part of. */
export function toSource ({ buffer }: Uint8Array): Source {
  return { bytes: Buffer.from(buffer), view: new DataView(buffer) }
}

/**
 * Bytes that a value takes: https://bsonspec.org/spec.html
 * @throws TypeError for a type that is not known
 */
export function getSize ({ bytes, view }: Source, type: number, at: number): number {
  switch (type) {
    case BSON_TYPES.double:
    case BSON_TYPES.date:
    case BSON_TYPES.long:
    case 0x11:
      return 8
    case BSON_TYPES.string:
    case 0x0d:
    case 0x0e:
      return 4 + view.getUint32(at, true)
    case 0x03:
    case 0x04:
      return view.getUint32(at, true)
    case 0x05:
      return 5 + view.getUint32(at, true)
    case BSON_TYPES.objectId:
      return 12
    case BSON_TYPES.boolean:
      return 1
    case BSON_TYPES.int:
      return 4
    case 0x13:
      return 16
    case BSON_TYPES.null:
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

/** The number at a place; undefined where the type is none. */
export function readNumber (view: DataView, type: number, at: number): number | undefined {
  if (type === BSON_TYPES.int) return view.getInt32(at, true)
  if (type === BSON_TYPES.double) return view.getFloat64(at, true)
  return type === BSON_TYPES.long ? readLong(view, at) : undefined
}

/** The whole number in eight bytes, or the nearest that there is beyond 2 ** 53. */
export function readLong (view: DataView, at: number): number {
  return view.getInt32(at + 4, true) * 2 ** 32 + view.getUint32(at, true)
}
