import path from 'node:path'
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

/** Words by which a test of the service shows that it needs the example. */
const NEEDS_EXAMPLE =
  /\/(users|posts|orders|user-analytics)\b|\b(into|from|update|table|truncate) (users|posts|orders)\b|\.(users|posts|orders|orderItems)\b|collection\('(users|posts)'\)|[{,] *(users|posts|orders)\b|'(users|posts|orders)'|repositories\.(users|posts|orders)|copyPosts/i

// Run by tap, whose settings name them.
const PROGRAMS = /^test\/databases\//
const TESTS_THAT_STAY = new Set(['test/scripts/new.test.ts', 'test/routes/engines.ts'])

/**
 * Takes the example out of a tree: its files, the tests that need it, and what only those have used.
 * @returns the tests that went with it
 * @throws Error where there are resources beside those of the example, whose tables and tests would go as well
 */
export function removeExample (tree: Tree): string[] {
  const own = tree.names().find((name) => /^routes\/[^/]+\//.test(name) && !EXAMPLE.test(name))
  if (own !== undefined) {
    throw new Error(
      `${own} is not of the example, and would lose its table: eject in a fresh clone, then npm run new there`
    )
  }
  for (const name of tree.names()) if (EXAMPLE.test(name)) tree.remove(name)
  const dropped: string[] = []
  const drop = (name: string): void => {
    tree.remove(name)
    dropped.push(name)
  }
  const ours = () => tree.names().filter((name) => /^test\/.*\.ts$/.test(name) && !TESTS_THAT_STAY.has(name))
  for (const name of ours()) if (NEEDS_EXAMPLE.test(tree.read(name))) drop(name)
  for (let count = -1; count !== dropped.length;) {
    count = dropped.length
    for (const name of ours()) if (importsOf(tree, name).some((file) => !tree.has(file))) drop(name)
    const used = new Set(tree.names().filter((name) => name.endsWith('.ts')).flatMap((name) => importsOf(tree, name)))
    for (const name of ours()) {
      if (!name.endsWith('.test.ts') && !PROGRAMS.test(name) && !used.has(name)) drop(name)
    }
  }
  dropEntries(tree)
  return dropped.filter((name) => name.endsWith('.test.ts')).toSorted()
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

/** The files that a file imports, or starts as programs: those it names by their place beside itself. */
export function importsOf (tree: Pick<Tree, 'read'>, name: string): string[] {
  const pattern =
    /(?:(?:from |import |import\(|import\.meta\.resolve\(|new URL\()'(?=\.)|import\.meta\.dirname, ')([^']+\.[cm]?[jt]s)'/g
  return [...tree.read(name).matchAll(pattern)]
    .map(([, file = '']) => path.posix.join(path.posix.dirname(name), file))
    .filter((file) => !file.includes('node_modules/'))
}
