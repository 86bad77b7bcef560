import path from 'node:path'
import { importsOf } from './imports.ts'
import { dropTests, type DroppedTests } from './tests.ts'
import type { Tree } from './tree.ts'

// What the example consists of, and what can only be measured or broken with it.
const EXAMPLE = new RegExp(`^(${
  [
    'routes/(users|posts|orders|user-analytics)/',
    'schemas/(users|posts|orders|user-analytics)\\.ts',
    'plugins/repositories/(users|posts|orders|user-analytics|user-summaries)\\.ts',
    'plugins/mongo/collections/(users|posts)\\.ts',
    'plugins/projections/(copy-posts|copy-users|dead-authors|post-counts|post-row|posts-table|posts-to-sql|user-document|users-to-mongo)\\.ts',
    'drizzle/migrations/',
    'bench/',
    'examples/client/shop\\.ts',
    'test/examples/client\\.test\\.ts',
    'scripts/(ledger|ha|faults|eject)[/.]',
    'test/(faults|scripts/eject)',
    'docs/openapi-released\\.json',
    'docs/(faults|performance|start-your-own|try-it|tour)\\.',
    'docs/site/',
    'scripts/docs/',
    'scripts/try-adoption\\.ts'
  ].join('|')
})`)

// Run by tap, whose settings name them.
const PROGRAMS = /^test\/databases\//
const TESTS_THAT_STAY = new Set(['test/scripts/new.test.ts'])
// What the tests import that npm run new writes.
const USED_LATER = new Set(['test/routes/engines.ts'])

/**
 * Takes the example out of a tree: its files, the tests that need it, and what only those have used.
 * @returns what became of the tests that need it
 * @throws Error where there are resources beside those of the example, whose tables and tests would go as well
 */
export function removeExample (tree: Tree): DroppedTests {
  const own = tree.names().find((name) => /^routes\/[^/]+\//.test(name) && !EXAMPLE.test(name))
  if (own !== undefined) {
    throw new Error(
      `${own} is not of the example, and would lose its table: eject in a fresh clone, then npm run new there`
    )
  }
  for (const name of tree.names()) if (EXAMPLE.test(name)) tree.remove(name)
  const isKept = (name: string): boolean => TESTS_THAT_STAY.has(name)
  const dropped = dropTests(tree, isKept)
  for (let count = -1; count !== dropped.files.length;) {
    count = dropped.files.length
    const used = new Set(tree.names().filter((name) => name.endsWith('.ts')).flatMap((name) => importsOf(tree, name)))
    for (const name of tree.names().filter((name) => /^test\/.*\.ts$/.test(name) && !isKept(name))) {
      if (name.endsWith('.test.ts') || PROGRAMS.test(name) || used.has(name) || USED_LATER.has(name)) continue
      tree.remove(name)
      dropped.files.push(name)
    }
  }
  dropEntries(tree)
  return { ...dropped, files: dropped.files.filter((name) => name.endsWith('.test.ts')).toSorted() }
}

// An entry file loses the folders in which there is no test left, and goes when it has none.
function dropEntries (tree: Tree): void {
  for (const name of tree.names().filter((name) => /^test\/[^/]+\.test\.ts$/.test(name))) {
    const text = tree.read(name)
    const kept = text.replace(/^await importTests\('([^']+)'\)\n/gm, (line, folder: string) => {
      const prefix = `${path.posix.join('test', folder)}/`
      return tree.names().some((file) => file.startsWith(prefix) && file.endsWith('.test.ts')) ? line : ''
    })
    if (kept === text) continue
    if (kept.includes('await import')) tree.write(name, kept)
    else tree.remove(name)
  }
}
