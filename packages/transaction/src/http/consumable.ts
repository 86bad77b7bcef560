import { isPlainObject } from './clone-plain.ts'

/** Deeper data is not searched: the search recurses, and the stack is finite. */
const DEEPEST = 200

/** Methods of what is read or written piece by piece, and is used up by that. */
const consumers = [
  Symbol.asyncIterator,
  'pipe',
  'getReader',
  'getWriter',
  'releaseLock',
  'next',
  'submit',
  'readableWebStream'
] as const

/** Those that objects have of their own, without a class or as its properties. */
const ownConsumers = ['next', 'pipe', 'getReader', Symbol.asyncIterator] as const

/**
 * Which classes have such methods: asking all names of each object of a session's class would cost its request
 * microseconds.
 */
const consumableClasses = new WeakMap<object, boolean>()

/**
 * True when a value is used up by reading or writing it, or holds something that is: Node and web streams, iterators
 * and generators, cursors, fetch bodies, opened files; also inside arrays, plain objects, Map and Set, such as the
 * parts of a multipart body. A stream that has ended already is the same for every run.
 */
export function holdsConsumable (value: unknown, seen?: Set<object>, depth = 0): boolean {
  if (typeof value !== 'object' || value === null || seen?.has(value) === true || depth > DEEPEST) return false
  if (isConsumable(value)) return true
  if (!(Array.isArray(value) || value instanceof Map || value instanceof Set || isPlainObject(value))) return false
  const known = seen ?? new Set()
  known.add(value)
  return getContents(value).some((item) => holdsConsumable(item, known, depth + 1))
}

function getContents (value: object): unknown[] {
  if (Array.isArray(value)) return value
  if (value instanceof Map) return [...value].flat()
  if (value instanceof Set) return [...value]
  // Without running getters.
  return Reflect.ownKeys(value).map((key) => Object.getOwnPropertyDescriptor(value, key)?.value as unknown)
}

function isConsumable (value: object): boolean {
  try {
    const prototype = Object.getPrototypeOf(value) as object | null
    const is = (prototype !== null && isConsumableClass(prototype)) || ownConsumers.some((name) => isOwn(value, name))
    return is && !hasEnded(value)
  } catch {
    // A proxy or getter that throws, and is no stream.
    return false
  }
}

function isConsumableClass (prototype: object): boolean {
  let is = consumableClasses.get(prototype)
  if (is === undefined) {
    is = consumers.some((name) => has(prototype, name)) || isFetchBody(prototype) || isTransform(prototype)
    consumableClasses.set(prototype, is)
  }
  return is
}

/** A Request or Response, of Node or of undici. */
function isFetchBody (prototype: object): boolean {
  return 'bodyUsed' in prototype && has(prototype, 'arrayBuffer')
}

/** The two ends of a web stream, as TransformStream and CompressionStream have them. */
function isTransform (prototype: object): boolean {
  return 'readable' in prototype && 'writable' in prototype
}

/** A Node stream that nothing can be read from or written to any more. */
function hasEnded (value: object): boolean {
  const { destroyed, readableEnded } = value as { destroyed?: unknown; readableEnded?: unknown }
  return has(value, 'pipe') && (destroyed === true || readableEnded === true)
}

function isOwn (value: object, name: string | symbol): boolean {
  return Object.hasOwn(value, name) && has(value, name)
}

/** Getters of a class throw where they are asked of its prototype, and are no methods. */
function has (value: object, name: string | symbol): boolean {
  for (let at: object | null = value; at !== null; at = Object.getPrototypeOf(at) as object | null) {
    const descriptor = Object.getOwnPropertyDescriptor(at, name)
    if (descriptor !== undefined) return typeof descriptor.value === 'function'
  }
  return false
}
