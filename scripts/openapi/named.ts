import type { Change } from './changes.ts'

/**
 * The changes that a changelog does not name. One is named by an entry of its pending part that says "Breaking" and the
 * path.
 * @param changelog its text; the pending part begins with "## Pending"
 */
export function findUnnamed (changes: Change[], changelog: string): Change[] {
  const [, pending = ''] = /^## Pending$([\s\S]*?)(?=^## |(?![\s\S]))/m.exec(changelog) ?? []
  const entries = pending.split(/^- /m).filter((entry) => /\bbreaking\b/i.test(entry))
  return changes.filter(({ path }) => !entries.some((entry) => hasPath(entry, path)))
}

// `/users` is not named by `/users/{id}`.
function hasPath (entry: string, path: string): boolean {
  return entry.split(/[\s`,;:()]+/).some((word) => word.replace(/[.]$/, '') === path)
}
