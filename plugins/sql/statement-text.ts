const QUOTED_OR_PARAMETER = /'(?:[^']|'')*'|"(?:[^"]|"")*"|--[^\n]*|\/\*[\s\S]*?\*\/|\$(\d+)/g

/** PostgreSQL's `$1` as SQLite writes it, `?1`; text in quotes and comments stays as it is. */
export function toSqliteText (text: string): string {
  if (!text.includes('$')) return text
  return text.replace(
    QUOTED_OR_PARAMETER,
    (match, number: string | undefined) => number === undefined ? match : `?${number}`
  )
}

/** True for a statement that certainly changes nothing, and may therefore run beside the writer. */
export function isRead (text: string): boolean {
  const verb = getFirstWord(text)
  if (verb === 'with') return !/\b(insert|update|delete|replace)\b/i.test(text)
  return verb === 'select' || verb === 'values' || verb === 'explain'
}

/** The first word of a statement in lower case, leading comments skipped. */
export function getFirstWord (text: string): string {
  return /^(?:\s|;|--[^\n]*\n|\/\*[\s\S]*?\*\/)*([a-z]+)/i.exec(text)?.[1]?.toLowerCase() ?? ''
}
