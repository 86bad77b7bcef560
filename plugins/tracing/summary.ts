/** A statement in words that hold none of its values. */
export interface Summary {
  /** Such as SELECT. */
  operation: string
  /** The first table. */
  table: string | undefined
  /** Both, for the name of a span. */
  text: string
}

const KEPT = 500
const LONGEST = 100
const NAME = '(?:only\\s+)?((?:"[^"]+"|\\w+)(?:\\.(?:"[^"]+"|\\w+))*)'
const TABLE: Record<string, RegExp> = {
  SELECT: new RegExp(`\\bfrom\\s+${NAME}`, 'i'),
  INSERT: new RegExp(`\\binto\\s+${NAME}`, 'i'),
  UPDATE: new RegExp(`\\bupdate\\s+${NAME}`, 'i'),
  DELETE: new RegExp(`\\bfrom\\s+${NAME}`, 'i'),
  MERGE: new RegExp(`\\binto\\s+${NAME}`, 'i')
}
const WRITE = /^\s*(insert|update|delete|merge)\b/i
const CTE_WRITE = /\((?=\s*(?:insert|update|delete|merge)\b)/i
const CTE_NAME = /(?:^\s*with(?:\s+recursive)?|,)\s*("[^"]+"|\w+)\s+as\b/gi
const SOURCE = new RegExp(`\\b(?:from|join)\\s+${NAME}`, 'gi')

const known = new Map<string, Summary>()

/**
 * Names a statement by its operation and first table.
 * @param statement SQL text
 */
export function parseSummary (statement: string): Summary {
  const found = known.get(statement) ?? summarize(statement)
  // Generated texts are few; a service that writes values into its texts must not fill the memory.
  if (known.size < KEPT) known.set(statement, found)
  return found
}

function summarize (statement: string): Summary {
  const bare = statement.replaceAll(/'(?:[^']|'')*'|--[^\n]*|\/\*[\s\S]*?\*\//g, ' ')
  const operation = /[a-z]+/i.exec(bare)?.[0].toUpperCase() ?? 'SQL'
  if (operation === 'WITH') return summarizeWith(bare)
  return toSummary(operation, TABLE[operation]?.exec(bare)?.[1])
}

/** A statement that begins with WITH is named for what it does: the write at its end or in a part of it, or its SELECT. */
function summarizeWith (statement: string): Summary {
  let outside = statement
  // Each round takes the innermost parentheses away, so that the parts go and the end stays.
  for (let before = ''; before !== outside;) [before, outside] = [outside, outside.replaceAll(/\([^()]*\)/g, ' ')]
  const names = new Set(Array.from(outside.matchAll(CTE_NAME), ([, name = '']) => unquote(name)))
  const end = outside.slice(outside.search(/\b(?:select|insert|update|delete|merge|values)\b/i))
  const part = statement.split(CTE_WRITE)[1] ?? ''
  for (const text of [end, part]) {
    const operation = WRITE.exec(text)?.[1]?.toUpperCase()
    if (operation !== undefined) return toSummary(operation, TABLE[operation]?.exec(text)?.[1])
  }
  const sources = Array.from(statement.matchAll(SOURCE), ([, name = '']) => name)
  return toSummary('SELECT', sources.find((name) => !names.has(unquote(name))))
}

function toSummary (operation: string, name: string | undefined): Summary {
  const table = name === undefined ? undefined : unquote(name)
  return { operation, table, text: (table === undefined ? operation : `${operation} ${table}`).slice(0, LONGEST) }
}

function unquote (name: string): string {
  return name.replaceAll('"', '')
}
