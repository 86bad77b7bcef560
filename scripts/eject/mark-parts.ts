import path from 'node:path'
import { importsOf } from './imports.ts'
import type { Part } from './parts.ts'

/** Words by which a statement of a test of the service shows that it needs the example. */
const NEEDS_EXAMPLE =
  /\/(users|posts|orders|user-analytics)\b|\b(into|from|update|table|truncate) (users|posts|orders)\b|\.(users|posts|orders|orderItems)\b|collection\('(users|posts)'\)|[{,] *(users|posts|orders)\b|'(users|posts|orders)'|repositories\.(users|posts|orders)/i

/** What is known of a file while its parts are marked. */
export interface Marking {
  /** Its path. */
  name: string
  /** Parts that go. */
  taken: Set<Part>
  /** Names of it that go. */
  names: Set<string>
  /** Is a name of another file gone? `*` asks for all of it. */
  isGone: (file: string, word: string) => boolean
}

/** Marks the parts of a file that need the example, or something that goes. */
export function markFile (marking: Marking, all: Part[]): void {
  const { name, names, taken, isGone } = marking
  for (const { id, name: word, from } of all.flatMap(({ imports }) => imports)) {
    if (from.startsWith('.') && isGone(path.posix.join(path.posix.dirname(name), from), word)) names.add(id)
  }
  for (let size = -1; size !== taken.size + names.size;) {
    size = taken.size + names.size
    markScope(marking, all)
    const isAllGone = all.some((part) => taken.has(part) && part.isRun && !part.isTest && part.assigns.length === 0)
    // What sets up without giving a value to anything is needed by every test, in a way that does not show.
    if (isAllGone) { for (const part of all) if (part.isRun) taken.add(part) }
  }
}

function markScope (marking: Marking, all: Part[]): void {
  const { taken, names } = marking
  for (const part of all) {
    if (part.imports.length > 0 && part.exported.length === 0) continue
    if (part.children.length > 0) markScope(marking, part.children)
    if (!taken.has(part) && !isNeedy(marking, part)) continue
    taken.add(part)
    for (const word of [...part.names, ...part.assigns]) names.add(word)
  }
}

function isNeedy (marking: Marking, part: Part): boolean {
  const { name, names, taken, isGone } = marking
  if (NEEDS_EXAMPLE.test(part.text)) return true
  if ([...part.uses, ...part.assigns].some((word) => names.has(word))) return true
  if (part.imports.some(({ id }) => names.has(id))) return true
  const files = importsOf({ read: () => part.text }, name)
  if (part.imports.length === 0 && files.some((file) => isGone(file, '*'))) return true
  const { children } = part
  if (children.length === 0) return false
  // A step between the tests of a test is needed by those after it.
  if (children.some((child) => taken.has(child) && child.isRun && !child.isTest)) return true
  return !children.some((child) => child.isTest && !taken.has(child))
}
