import { readParts } from './parts.ts'
import { writeParts } from './write-parts.ts'

/** Takes imports and declarations that are not used any more out of a file. */
export function pruneImports (text: string): string {
  return writeParts(text, readParts(text), new Set())
}

/** Takes exported declarations out, with the comments above them and what only they have used. */
export function removeDeclarations (text: string, names: RegExp): string {
  const all = readParts(text)
  return writeParts(text, all, new Set(all.filter(({ exported }) => exported.some((name) => names.test(name)))))
}

/**
 * Replaces what stands between the braces of a literal by nothing.
 * @throws Error where the literal is not there
 */
export function emptyLiteral (text: string, opening: RegExp): string {
  const found = opening.exec(text)
  const start = found === null ? -1 : found.index + found[0].length
  const end = start < 0 ? -1 : text.indexOf('\n}', start)
  if (end < 0) throw new Error(`${String(opening)} is not there: the file was changed, empty it by hand`)
  return text.slice(0, start) + text.slice(end + 1)
}

/**
 * Replaces a text that must be there.
 * @throws Error where it is not
 */
export function replaceText (text: string, from: string | RegExp, to: string): string {
  const found = typeof from === 'string' ? text.includes(from) : from.test(text)
  if (!found) throw new Error(`"${String(from).slice(0, 80)}" is not there: the file was changed, edit it by hand`)
  return text.replace(from, to)
}
