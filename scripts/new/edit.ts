/**
 * Adds names to the import of a module, in the order of the alphabet; adds the import where there is none.
 * @param text a TypeScript file
 * @param names as they stand between the braces, `type` included
 * @param module as it stands behind `from`
 */
export function addImport (text: string, names: string[], module: string): string {
  const pattern = new RegExp(`^import \\{([^}]*)\\} from '${module.replace(/[.\\/]/g, '\\$&')}'$`, 'm')
  const [line, list] = pattern.exec(text) ?? []
  if (line === undefined || list === undefined) return insertAfterImports(text, toImport(names, module))
  const all = [...new Set([...list.split(',').map((name) => name.trim()), ...names])].filter((name) => name !== '')
  return text.replace(line, toImport(all, module))
}

/** Adds lines at the end of an object, which may be empty, whose closing line is known. */
export function addEntries (text: string, opening: RegExp, closing: string, entries: string[]): string {
  const start = opening.exec(text)
  const from = start === null ? -1 : start.index + start[0].length
  const end = from < 0 || text[from] === '}' ? from : text.indexOf(closing, from)
  if (end < 0) throw new Error(`No place was found for ${entries[0] ?? 'an entry'}: ${String(opening)} is not there`)
  const body = text.slice(from, end).trimEnd().replace(/,$/, '')
  const lines = entries.map((entry) => `\n  ${entry}`).join(',')
  return `${text.slice(0, from)}${body}${body === '' ? '' : ','}${lines}\n${text.slice(end).trimStart()}`
}

/** Puts a block before a declaration and the comment above it. */
export function insertBefore (text: string, declaration: string, block: string): string {
  const at = text.indexOf(`\n${declaration}`) + 1
  if (at === 0) throw new Error(`No place was found for a table: "${declaration}" is not there`)
  const before = text.slice(0, at)
  const comment = /\n\/\*\*(?:(?!\*\/)[\s\S])*\*\/\n$/.exec(before)
  const place = comment === null ? at : comment.index + 1
  return `${text.slice(0, place)}${block}\n${text.slice(place)}`
}

function insertAfterImports (text: string, line: string): string {
  const last = [...text.matchAll(/^(import [^\n]*|\} )from '[^']+'$/gm)].at(-1)
  if (last === undefined) return `${line}\n\n${text}`
  const end = last.index + last[0].length
  return `${text.slice(0, end)}\n${line}${text.slice(end)}`
}

function toImport (names: string[], module: string): string {
  const sorted = names.toSorted((one, other) =>
    Number(one.startsWith('type ')) - Number(other.startsWith('type ')) || one.localeCompare(other, 'en')
  )
  return `import { ${sorted.join(', ')} } from '${module}'`
}
