const space = /[ \t\n\r\f\v]+/y
const word = /[a-z_\u0080-\uffff][\w$\u0080-\uffff]*/iy
const dollarTag = /\$(?:[a-z_\u0080-\uffff][\w\u0080-\uffff]*)?\$/iy
/** What may stand between two parts of one string: a line end, and comments of a line. */
const continuation = /(?:[ \t\f\v]|--[^\n\r]*)*[\n\r](?:[ \t\n\r\f\v]|--[^\n\r]*[\n\r])*'/y

/**
 * The words and punctuation of SQL in order, words in lower case, read as PostgreSQL's scanner does: what stands in
 * comments (which nest), quoted names, strings (E'' with backslashes and over several lines) and dollar quotes is left
 * out.
 */
export function* getWords (sql: string): Generator<string> {
  let at = 0
  while (at < sql.length) {
    const end = endOfInert(sql, at)
    if (end > at) {
      at = end
      continue
    }
    const found = match(word, sql, at) || sql.charAt(at)
    at += found.length
    yield found.toLowerCase()
  }
}

/** Where the space, comment, string or quoted name that begins at `start` ends; `start` itself when none does. */
function endOfInert (sql: string, start: number): number {
  const [first, second] = [sql.charAt(start), sql.charAt(start + 1)]
  if (first === '-' && second === '-') return endOfLine(sql, start)
  if (first === '/' && second === '*') return endOfComment(sql, start)
  if (first === "'") return endOfQuoted(sql, start + 1, "'")
  if (first === '"') return endOfQuoted(sql, start + 1, '"')
  if ((first === 'e' || first === 'E') && second === "'") return endOfEscaped(sql, start + 2)
  if (first !== '$') return start + match(space, sql, start).length
  const tag = match(dollarTag, sql, start)
  return tag === '' ? start : after(sql, tag, start + tag.length)
}

function endOfLine (sql: string, start: number): number {
  const end = sql.slice(start).search(/[\n\r]/)
  return end === -1 ? sql.length : start + end
}

function endOfComment (sql: string, start: number): number {
  let depth = 0
  for (let at = start; at < sql.length; at++) {
    const pair = sql.slice(at, at + 2)
    if (pair !== '/*' && pair !== '*/') continue
    depth += pair === '/*' ? 1 : -1
    if (depth === 0) return at + 2
    at++
  }
  return sql.length
}

/** A doubled quote reads as two strings side by side, which comes to the same. */
function endOfQuoted (sql: string, start: number, quote: string): number {
  return after(sql, quote, start)
}

function endOfEscaped (sql: string, start: number): number {
  for (let at = start; at < sql.length; at++) {
    const character = sql.charAt(at)
    if (character === '\\') at++
    if (character !== "'") continue
    const more = sql.charAt(at + 1) === "'" ? 1 : match(continuation, sql, at + 1).length
    if (more === 0) return at + 1
    at += more
  }
  return sql.length
}

function after (sql: string, text: string, from: number): number {
  const found = sql.indexOf(text, from)
  return found === -1 ? sql.length : found + text.length
}

function match (pattern: RegExp, sql: string, at: number): string {
  pattern.lastIndex = at
  return pattern.exec(sql)?.[0] ?? ''
}
