import { emptyLiteral, pruneImports, removeDeclarations, replaceText } from './code.ts'
import type { Tree } from './tree.ts'

// What only the bench, and tests that go with the example, have used.
const UNUSED = ['autocannon', '@types/autocannon', '@fastify/helmet']
const TABLES = /^(users|orders|orderItems|posts|authorPostCounts|\w+Relations)$/

/** What stays of files that hold the example beside other things, by their path. */
const EDITS: Record<string, (text: string) => string> = {
  'drizzle/postgres.ts': (text) => removeDeclarations(text, TABLES),
  'drizzle/sqlite.ts': (text) => removeDeclarations(text, TABLES),
  'drizzle/rules.ts': (text) => pruneImports(emptyLiteral(text, /export const rules = \{/)),
  'drizzle/constraints.ts': (text) => pruneImports(emptyLiteral(text, /export const constraintProblems[^{]*\{/)),
  'plugins/repositories/index.ts': (text) =>
    pruneImports(emptyLiteral(emptyLiteral(text, /const inSql = \{/), /const inMongo = \{/))
      .replace('Object.values(inSql)', 'Object.values<(db: typeof app.db) => unknown>(inSql)'),
  'plugins/projections/copies.ts': (text) => pruneImports(emptyLiteral(text, /export const copies = \{/)),
  'plugins/projections/fence/copied-table.ts': (text) =>
    replaceText(text, /(copiedTable: CopiedTable \| undefined) = \{[\s\S]*$/, '$1 = undefined\n'),
  'plugins/projections/index.ts': (text) =>
    replaceText(
      replaceText(text, / {2}\/\*\* Posts of deleted users[^\n]*\n {2}removedPosts: number\n/, ''),
      '    removedPosts: 0,\n',
      ''
    ),
  'plugins/metrics/projections.ts': (text) =>
    replaceText(
      replaceText(text, /\n {2}new Counter\(\{\n {4}name: '\w+_projection_removed_posts_total'[\s\S]*?\n {2}\}\)/, ''),
      ', and how many posts went with their authors',
      ''
    ),
  'plugins/two-phase.ts': (text) => replaceText(text, ', POST /users/with-post is left out', ''),
  'scripts/banner.ts': (text) => replaceText(text, / {4}'  Try',\n(?: {4}` {4}curl [^\n]*\n)+ {4}'',\n/, ''),
  'scripts/try-build.ts': (text) => replaceText(text, "['/readyz', '/users', '/posts/summaries']", "['/readyz']"),
  'scripts/seed.ts': () => SEED,
  'examples/client/README.md': (text) => replaceText(text, /- `shop\.ts`[^\n]*\n/, ''),
  'test/drizzle/online.test.ts': (text) =>
    // It tells of a migration of the example.
    pruneImports(replaceText(text, /t\.test\('a file that took the place of another one[\s\S]*?\n\}\)\n\n/, '')),
  '.ci/run': (text) => replaceText(text, /# What somebody does who starts from this[^\n]*\nnpm run try:adoption\n/, ''),
  '.knip.json': editKnip,
  'package.json': editPackage,
  'README.md': editReadme,
  'CHANGELOG.md': () => '# Changelog\n',
  '.redocly.yaml': (text) =>
    `${text}rules:\n  # Until there is a resource, no answer is a problem.\n  no-unused-components: off\n`,
  'scripts/check.ts': (text) => replaceText(text, ' --treat-config-hints-as-errors', ''),
  'package-lock.json': editLock,
  'docs/observability.md': (text) => replaceText(text, /^\| `\w+_projection_removed_posts_total`.*\n/m, ''),
  'deploy/README.md': (text) => replaceText(text, 'http://127.0.0.1:8080/users', 'http://127.0.0.1:8080/readyz'),
  'docs/commands.md': (text) => text.replace(/^\| `npm run (bench|ledger|ha|eject|docs).*\n/gm, ''),
  'docs/README.md': (text) => text.replace(/^\| \[(faults|performance|start-your-own|try-it|tour)\.md\].*\n/gm, '')
}

/**
 * Takes the example out of files that stay.
 * @throws Error naming a file in which something is not where it was expected
 */
export function editFiles (tree: Tree): void {
  for (const [name, edit] of Object.entries(EDITS)) {
    try {
      tree.write(name, edit(tree.read(name)))
    } catch (error) {
      throw new Error(`${name}: ${error instanceof Error ? error.message : String(error)}`, { cause: error })
    }
  }
}

function editKnip (text: string): string {
  const knip = JSON.parse(text) as {
    workspaces: Record<string, { entry: string[]; project: string[] }>
    ignoreDependencies: string[]
    ignoreBinaries?: string[]
  }
  const root = knip.workspaces['.']
  if (root !== undefined) {
    root.entry = root.entry.filter((entry) => !/bench|test\/faults/.test(entry)).concat([
      // What resources are made of: used as soon as there is one.
      'drizzle/**/*.ts',
      'plugins/**/*.ts',
      'scripts/pair/*.ts',
      'test/**/*.ts',
      'examples/auth/**/*.ts'
    ])
    root.project = [
      '*.ts',
      '{plugins,routes,schemas,drizzle,scripts,test,examples}/**/*.{ts,mjs}',
      '!scripts/clients/programs/**',
      '!examples/client/**'
    ]
  }
  return `${JSON.stringify(knip, null, 2)}\n`
}

function editPackage (text: string): string {
  const manifest = JSON.parse(text) as {
    version: string
    scripts: Record<string, string>
    devDependencies: Record<string, string>
  }
  manifest.version = '0.1.0'
  for (const name of Object.keys(manifest.scripts)) {
    if (/^(bench|ledger|ha$|faults|eject|docs|try:)/.test(name)) delete manifest.scripts[name]
  }
  for (const name of UNUSED) delete manifest.devDependencies[name]
  return `${JSON.stringify(manifest, null, 2)}\n`
}

// `npm ci` refuses a lock that names other packages than the manifest; npm install takes the rest of them out.
function editLock (text: string): string {
  const lock = JSON.parse(text) as { packages: Record<string, { devDependencies?: Record<string, string> }> }
  for (const name of UNUSED) delete lock.packages['']?.devDependencies?.[name]
  return `${JSON.stringify(lock, null, 2)}\n`
}

function editReadme (): string {
  return `# Tandem

A service on PostgreSQL (or SQLite) and MongoDB.

    npm install && npm start
    npm install && npm test

The first resource: [docs/add-a-resource.md](docs/add-a-resource.md). How it is made: [docs/architecture.md](docs/architecture.md). [Commands](docs/commands.md),
[settings](docs/settings.md), and [all pages](docs/README.md).
`
}

const SEED = `// \`npm run db:seed\`: sample rows, where there are none. Also run at start where SEED is on.
import { pathToFileURL } from 'node:url'
import type { FastifyInstance } from 'fastify'
import { buildApp } from '../app.ts'
import { explainBoot } from '../plugins/errors/boot.ts'

/**
 * Stores sample data where there is none.
 * @param _app the service
 * @returns how many of each; empty while there is no resource
 */
export async function seed (_app: FastifyInstance): Promise<Record<string, number>> {
  return {}
}

async function run (): Promise<void> {
  const app = await buildApp({ logger: false })
  try {
    console.log('Added', await seed(app))
  } finally {
    await app.close()
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  await run().catch((error: unknown) => {
    for (const line of explainBoot(error, process.env)) console.error(line)
    process.exitCode = 1
  })
}
`
