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
  WITH: new RegExp(`\\b(?:from|into|update)\\s+${NAME}`, 'i')
}

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
  const table = TABLE[operation]?.exec(bare)?.[1]?.replaceAll('"', '')
  return { operation, table, text: (table === undefined ? operation : `${operation} ${table}`).slice(0, LONGEST) }
}
