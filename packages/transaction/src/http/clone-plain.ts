/** What `clonePlain` returns for something that is more than data. */
export const NOT_PLAIN = Symbol('not plain data')

/** Deeper data is left alone: the copy recurses, and the stack is finite. */
const DEEPEST = 200

/** Copies by their originals: what is there twice stays one object, and a cycle ends. */
export type Copies = Map<object, unknown>

/**
 * A deep copy of data as parsers and validators make it: primitives, arrays, plain objects, Map, Set, Date, Buffer,
 * Uint8Array.
 *
 * @param copies what was copied together with it before
 * @returns the copy, or `NOT_PLAIN` for streams, functions and objects of any other class
 */
export function clonePlain (value: unknown, copies: Copies = new Map()): unknown {
  if (typeof value === 'function') return NOT_PLAIN
  return typeof value === 'object' && value !== null ? copies.get(value) ?? cloneObject(value, copies, 0) : value
}

function clone (value: unknown, copies: Copies, depth: number): unknown {
  if (typeof value === 'function') return NOT_PLAIN
  if (typeof value !== 'object' || value === null) return value
  return copies.get(value) ?? cloneObject(value, copies, depth)
}

function cloneObject (value: object, copies: Copies, depth: number): unknown {
  if (depth > DEEPEST) return NOT_PLAIN
  if (Array.isArray(value)) return cloneArray(value, copies, depth + 1)
  if (isPlainObject(value)) return cloneEntries(value, copies, depth + 1)
  switch (Object.getPrototypeOf(value)) {
    case Date.prototype:
      return new Date(value as Date)
    case Buffer.prototype:
      return Buffer.from(value as Buffer)
    case Uint8Array.prototype:
      return Uint8Array.from(value as Uint8Array)
    case Map.prototype:
      return cloneMap(value as Map<unknown, unknown>, copies, depth + 1)
    case Set.prototype:
      return cloneSet(value as Set<unknown>, copies, depth + 1)
    default:
      return NOT_PLAIN
  }
}

/**
 * Objects of literals and of JSON, and those of query parsers, whose prototype is empty to be safe from `__proto__`.
 */
export function isPlainObject (value: object): boolean {
  const prototype = Object.getPrototypeOf(value) as object | null
  return prototype === Object.prototype || prototype === null || isEmptyPrototype(prototype)
}

/** Those of query parsers, asked once. */
const emptyPrototypes = new WeakSet()

function isEmptyPrototype (prototype: object): boolean {
  if (emptyPrototypes.has(prototype)) return true
  const isEmpty = Object.getPrototypeOf(prototype) === null && Object.keys(prototype).length === 0
  if (isEmpty) emptyPrototypes.add(prototype)
  return isEmpty
}

function cloneArray (source: unknown[], copies: Copies, depth: number): unknown {
  const copy: unknown[] = []
  copies.set(source, copy)
  for (const value of source) {
    const item = clone(value, copies, depth)
    if (item === NOT_PLAIN) return NOT_PLAIN
    copy.push(item)
  }
  return copy
}

function cloneEntries (source: object, copies: Copies, depth: number): unknown {
  // A spread defines its keys, `__proto__` too, and V8 copies the shape at once.
  const copy: Record<string, unknown> = Object.getPrototypeOf(source) === Object.prototype
    ? { ...source }
    : defineOwn(Object.create(Object.getPrototypeOf(source) as object | null) as object, source)
  copies.set(source, copy)
  for (const key of Object.keys(copy)) {
    const value = copy[key]
    if (typeof value === 'function') return NOT_PLAIN
    if (typeof value !== 'object' || value === null) continue
    const item = clone(value, copies, depth)
    if (item === NOT_PLAIN) return NOT_PLAIN
    if (key === '__proto__') defineOwn(copy, { [key]: item })
    else copy[key] = item
  }
  return copy
}

/** True when something in a copy made by `clonePlain` is under a symbol, which was not copied and may be anything. */
export function holdsSymbols (copy: unknown, depth = 0): boolean {
  if (typeof copy !== 'object' || copy === null || ArrayBuffer.isView(copy) || depth > DEEPEST) return false
  if (Array.isArray(copy)) return copy.some((item) => holdsSymbols(item, depth + 1))
  if (Object.getOwnPropertySymbols(copy).length > 0) return true
  if (copy instanceof Map || copy instanceof Set) return [...copy].flat().some((item) => holdsSymbols(item, depth + 1))
  for (const item of Object.values(copy)) if (holdsSymbols(item, depth + 1)) return true
  return false
}

/**
 * Own keys of parsers' objects, whose prototype is not Object.prototype; assigned, `__proto__` would change the
 * prototype instead.
 */
function defineOwn (copy: object, source: object): Record<string, unknown> {
  for (const key of Object.keys(source)) defineSame(copy, source, key)
  for (const key of Object.getOwnPropertySymbols(source)) defineSame(copy, source, key)
  return copy as Record<string, unknown>
}

function defineSame (copy: object, source: object, key: string | symbol): void {
  const value: unknown = Reflect.get(source, key)
  Object.defineProperty(copy, key, { value, enumerable: true, configurable: true, writable: true })
}

function cloneMap (source: Map<unknown, unknown>, copies: Copies, depth: number): unknown {
  const copy = new Map<unknown, unknown>()
  copies.set(source, copy)
  for (const [key, value] of source) {
    const item = clone(value, copies, depth)
    // Keys stay the same objects: who looks one up has it from elsewhere.
    if (item === NOT_PLAIN || clone(key, copies, depth) === NOT_PLAIN) return NOT_PLAIN
    copy.set(key, item)
  }
  return copy
}

function cloneSet (source: Set<unknown>, copies: Copies, depth: number): unknown {
  const copy = new Set<unknown>()
  copies.set(source, copy)
  for (const value of source) {
    const item = clone(value, copies, depth)
    if (item === NOT_PLAIN) return NOT_PLAIN
    copy.add(item)
  }
  return copy
}
