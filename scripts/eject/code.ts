/** Takes names that are not used any more out of the imports of a file, and imports that have none left. */
export function pruneImports (text: string): string {
  return text.replace(
    /^import (type )?\{([^}]*)\} from '[^']+'\n/gm,
    (line, type: string | undefined, list: string) => {
      const rest = text.replace(line, '')
      const names = list.split(',').map((name) => name.trim()).filter((name) => name !== '')
      const used = names.filter((name) => isUsed(rest, name.replace(/^type /, '').replace(/^.* as /, '')))
      if (used.length === names.length) return line
      return used.length === 0 ? '' : line.replace(/\{[^}]*\}/, `{ ${used.join(', ')} }`)
    }
  )
}

/** Takes declarations out, with the comments above them. A declaration ends at an empty line. */
export function removeDeclarations (text: string, names: RegExp): string {
  return text.split(/\n\n(?=\S)/).filter((block) => {
    const name = /^export (?:const|function|async function|type|interface) (\w+)/m.exec(block)?.[1]
    return name === undefined || !names.test(name)
  }).join('\n\n').trimEnd().concat('\n')
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

function isUsed (text: string, name: string): boolean {
  // Keys and properties of the same name are something else.
  return new RegExp(`(?<![.\\w])${name}\\b(?!\\s*:)`).test(
    text.replace(/\/\*[\s\S]*?\*\/|^\s*\/\/.*$|'[^'\n]*'|"[^"\n]*"/gm, '')
  )
}
