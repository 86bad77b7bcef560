/**
 * Whether every text of a parsed body, names of properties too, is well-formed Unicode.
 *
 * @param data what a JSON parser has made
 */
export function isWellFormed (data: unknown): boolean {
  const waiting = [data]
  while (waiting.length > 0) {
    const value = waiting.pop()
    if (typeof value === 'string' && LONE_SURROGATE.test(value)) return false
    if (typeof value !== 'object' || value === null) continue
    for (const [name, inner] of Object.entries(value)) {
      if (LONE_SURROGATE.test(name)) return false
      waiting.push(inner)
    }
  }
  return true
}

/** With the flag u, a pair is one character and no surrogate. */
const LONE_SURROGATE = /\p{Surrogate}/u
