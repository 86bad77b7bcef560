/** What `clonePlain` returns for something that is more than data. */
export const NOT_PLAIN = Symbol('not plain data')

/** Deeper data is left alone: a parser of ours never makes it, and a cycle would never end. */
const DEEPEST = 200

/**
 * A deep copy of data as body parsers make it: primitives, arrays, plain objects, Buffers.
 * @returns the copy, or `NOT_PLAIN` for streams, functions and objects of a class
 */
export function clonePlain (value: unknown, depth = 0): unknown {
  if (typeof value === 'function') return NOT_PLAIN
  if (typeof value !== 'object' || value === null) return value
  if (depth > DEEPEST) return NOT_PLAIN
  if (Array.isArray(value)) return cloneArray(value, depth)
  if (Buffer.isBuffer(value)) return Buffer.from(value)
  return isPlainObject(value) ? cloneObject(value, depth) : NOT_PLAIN
}

/** Objects of literals and of JSON, and those of query parsers, whose prototype is empty to be safe from `__proto__`. */
function isPlainObject (value: object): boolean {
  const prototype = Object.getPrototypeOf(value) as object | null
  return prototype === null || (Object.getPrototypeOf(prototype) === null && Object.keys(prototype).length === 0)
}

function cloneArray (values: unknown[], depth: number): unknown {
  const copy = new Array<unknown>(values.length)
  for (let index = 0; index < values.length; index++) {
    const item = clonePlain(values[index], depth + 1)
    if (item === NOT_PLAIN) return NOT_PLAIN
    copy[index] = item
  }
  return copy
}

function cloneObject (source: object, depth: number): unknown {
  const copy = Object.create(Object.getPrototypeOf(source) as object | null) as Record<string, unknown>
  for (const [key, value] of Object.entries(source)) {
    const item = clonePlain(value, depth + 1)
    if (item === NOT_PLAIN) return NOT_PLAIN
    copy[key] = item
  }
  return copy
}
