/** A text as a literal of PostgreSQL, whatever `standard_conforming_strings` is. */
export function quoteLiteral (text: string): string {
  const quoted = `'${text.replaceAll("'", "''")}'`
  return text.includes('\\') ? ` E${quoted.replaceAll('\\', '\\\\')}` : quoted
}
