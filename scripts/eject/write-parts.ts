import type { Part } from './parts.ts'

/** Parts with those inside them. */
export function flatten (all: Part[]): Part[] {
  return all.flatMap((part) => [part, ...flatten(part.children)])
}

/**
 * Writes a file without some of its parts, and without what only those have used.
 * @param text the file
 * @param all its parts
 * @param taken those that go
 */
export function writeParts (text: string, all: Part[], taken: Set<Part>): string {
  const kept = pruneUnused(leave(all, taken))
  const left = new Set(kept)
  const used = new Set(kept.filter((part) => !isImport(part)).flatMap(({ uses }) => uses))
  let written = ''
  let end = 0
  for (const part of all) {
    written += text.slice(end, part.start)
    end = part.end
    if (isImport(part)) written += writeImport(text.slice(part.start, part.end), part, used)
    else if (left.has(part)) written += writePart(text, part, left)
  }
  return `${(written + text.slice(end)).trim()}\n`
}

const isImport = ({ imports, exported }: Part): boolean => imports.length > 0 && exported.length === 0

function leave (all: Part[], taken: Set<Part>): Part[] {
  return all.filter((part) => !taken.has(part)).flatMap((part) => [part, ...leave(part.children, taken)])
}

// Declarations that nothing uses any more, and what sets up a variable that nothing reads.
function pruneUnused (parts: Part[]): Part[] {
  const isWanted = (part: Part): boolean => {
    if (part.exported.length > 0 || isImport(part)) return true
    const words = part.isRun ? part.isTest ? [] : part.assigns : part.names
    return words.length === 0 ||
      words.some((word) => parts.some((other) => other !== part && other.uses.includes(word)))
  }
  const left = parts.filter(isWanted)
  return left.length === parts.length ? parts : pruneUnused(left)
}

function writePart (text: string, part: Part, left: Set<Part>): string {
  let written = ''
  let end = part.start
  for (const child of part.children) {
    written += text.slice(end, child.start)
    end = child.end
    if (left.has(child)) written += writePart(text, child, left)
  }
  return written + text.slice(end, part.end)
}

function writeImport (text: string, { imports }: Part, used: Set<string>): string {
  const left = imports.filter(({ id }) => used.has(id))
  if (left.length === imports.length) return text
  // The comment at the top of a file stands above its first import.
  const comment = /^(?:\s*\/\/.*\n|\s*\/\*[\s\S]*?\*\/\n)*/.exec(text)?.[0] ?? ''
  if (left.length === 0) return comment.trimEnd()
  const words = /\{([^}]*)\}/.exec(text)?.[1]?.split(',').map((word) => word.trim()) ?? []
  const named = words.filter((word) => left.some(({ local }) => word.split(' ').at(-1) === local))
  const whole = left.find(({ name }) => name === 'default')?.local
  const clause = [whole, named.length === 0 ? undefined : `{ ${named.join(', ')} }`].filter((word) =>
    word !== undefined
  )
  return comment + text.slice(comment.length).replace(
    /^(\s*import (?:type )?)[\s\S]*? from /,
    `$1${clause.join(', ')} from `
  )
}
