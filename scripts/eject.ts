// `npm run eject -- <name>`: takes the example domain out, and gives the service a name of its own. Once.
import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { editFiles } from './eject/edits.ts'
import { removeExample } from './eject/removed.ts'
import { checkName, renameService } from './eject/rename.ts'
import { openTree } from './eject/tree.ts'
import { runTool } from './run-tool.ts'

const root = path.join(import.meta.dirname, '..')

function eject (name: string): void {
  if (git('status', '--porcelain') !== '') {
    throw new Error('There are changes that are not committed: commit or stash them, so that this can be undone')
  }
  const tree = openTree(root)
  const tests = removeExample(tree)
  editFiles(tree)
  renameService(tree, name)
  tree.save()
  emptyMigrations()
  runTool(root, 'dprint', ['fmt'])
  runTool(root, 'tsx', ['scripts/db-generate.ts', '--name', 'tables'])
  runTool(root, 'tsx', ['--conditions=tandem-source', 'scripts/openapi.ts'])
  const removed = tree.removed()
  console.log([
    `${removed.length} files of the example are gone, ${tree.changed().length} were changed.`,
    'Tests that went with it, because they speak of users, posts or orders:',
    ...tests.files.map((test) => `  ${test}`),
    ...[...tests.tests].map(([test, count]) => `  ${count} of ${test}, which stays`),
    `The service is called ${name}; docs/ tell of the example here and there.`,
    'Then: npm install, npm run check, npm test, git add -A and commit. The first resource: npm run new'
  ].join('\n'))
}

// The first migrations of a service of its own: the tables as they are, no history.
function emptyMigrations (): void {
  for (const dialect of ['postgres', 'sqlite']) {
    const folder = path.join(root, 'drizzle', 'migrations', dialect)
    rmSync(folder, { recursive: true, force: true })
    mkdirSync(path.join(folder, 'meta'), { recursive: true })
    const journal = { version: '7', dialect: dialect === 'postgres' ? 'postgresql' : dialect, entries: [] }
    writeFileSync(path.join(folder, 'meta', '_journal.json'), `${JSON.stringify(journal, null, 2)}\n`)
  }
}

function git (...args: string[]): string {
  return execFileSync('git', args, { cwd: root, encoding: 'utf8' }).trim()
}

function installed (): Set<string> {
  const lock = JSON.parse(readFileSync(path.join(root, 'package-lock.json'), 'utf8')) as { packages: object }
  return new Set(Object.keys(lock.packages).map((name) => name.replace(/^.*node_modules\//, '')))
}

try {
  eject(checkName(process.argv.slice(2), installed()))
} catch (error) {
  console.error(error instanceof Error ? error.message : error)
  console.error('npm run eject -- <name>   takes the example domain out; the work tree must be clean')
  process.exitCode = 1
}
