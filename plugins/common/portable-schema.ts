const LINE = 'visible-line'
const TAG = '(W/)?"[\\x21\\x23-\\x7E]*"'

/** A line with a character that is neither a blank nor a control character, as near as every engine can say it. */
const LINE_PATTERN = '^[^\\x00-\\x1F\\x7F-\\x9F]*[^\\x00-\\x20\\x7F-\\xA0][^\\x00-\\x1F\\x7F-\\x9F]*$'

/** `*`, or entity tags. */
export const TAGS_PATTERN = `^([*]|${TAG}( *, *${TAG})*)$`

/**
 * A document in which formats that only this service knows are patterns: tools warn of a format that they do not know,
 * or refuse it.
 * @param value the document, or a part of it; is not changed
 */
export function toPortable<T> (value: T): T {
  if (Array.isArray(value)) return value.map(toPortable) as T
  if (typeof value !== 'object' || value === null) return value
  const { format, ...rest } = value as { format?: unknown }
  const own = format === LINE ? { ...rest, pattern: LINE_PATTERN } : value
  return Object.fromEntries(Object.entries(own).map(([key, inner]) => [key, toPortable(inner)])) as T
}
