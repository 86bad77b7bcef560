// `npm run try:adoption`: what somebody does who starts from this service, in a copy: takes the example out, makes a
// resource of each kind, checks, tests, builds and boots. Fails also where what is left has no test any more.
import { execFileSync, spawnSync } from 'node:child_process'
import {
  chmodSync,
  copyFileSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readlinkSync,
  rmSync,
  symlinkSync
} from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { findCalled, findUntested } from './eject/untested.ts'

const root = path.join(import.meta.dirname, '..')
const copy = mkdtempSync(path.join(tmpdir(), 'tandem-adoption-'))
// With words that tests and databases use as well.
const SQL = ['movies', 'name:text:unique', 'price:decimal(12,3)', 'count:integer(1,100)', 'is_sold:boolean']
const MONGO = ['gift-cards', 'url:text(40):unique', 'class:integer(1,5)', 'worth:decimal(5,1)', '--store', 'mongo']
// What can tell whether the example is missed, and then what can tell whether the resources fit.
const EMPTY = ['app', 'sql', 'consistency', 'routes', 'scripts', 'server']
const FILLED = ['app', 'routes']
const COVERAGE = ['--no-disable-coverage', '--coverage-report=none', '--allow-incomplete-coverage']
const called = new Set<string>()

try {
  // Some tests run a part of themselves as an ordinary user.
  chmodSync(copy, 0o755)
  for (const name of execFileSync('git', ['ls-files', '-z'], { cwd: root, encoding: 'utf8' }).split('\0')) {
    if (name !== '') place(path.join(root, name), path.join(copy, name), copyFileSync)
  }
  linkTree(path.join(root, 'node_modules'), path.join(copy, 'node_modules'))
  commit()
  npm('run', 'eject', '--', 'corner-shop')
  npm('run', 'check')
  test(EMPTY)
  npm('run', 'new', '--', ...SQL)
  npm('run', 'new', '--', ...MONGO)
  npm('run', 'client', '--', 'dist/client')
  npm('run', 'check')
  test(FILLED)
  checkTested()
  npm('run', 'build')
  run(path.join('node_modules', '.bin', 'tsx'), ['--conditions=tandem-source', 'scripts/try-build.ts'])
  console.log('The example went, a resource of each kind came, and all checks and tests pass.')
} finally {
  // Servers of the tests that are about to end still write there.
  rmSync(copy, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 })
}

function commit (): void {
  const author = ['-c', 'user.name=adoption', '-c', 'user.email=adoption@example.com']
  run('git', ['init', '--quiet'])
  run('git', ['add', '--all'])
  run('git', [...author, 'commit', '--quiet', '--message', 'Begin'])
}

function test (names: string[]): void {
  npm('test', '--', ...COVERAGE, ...names.map((name) => `test/${name}.test.ts`))
  for (const name of findCalled(copy, path.join(copy, '.tap', 'coverage'))) called.add(name)
}

// A test of what stays must not need the example, or it would go with it.
function checkTested (): void {
  const untested = findUntested(copy, called)
  if (untested.length === 0) return
  throw new Error(`No test that is left after npm run eject calls a function of ${untested.join(', ')}`)
}

function npm (...args: string[]): void {
  run('npm', args)
}

function run (program: string, args: string[]): void {
  console.log(`$ ${program} ${args.join(' ')}`)
  const { status } = spawnSync(program, args, { cwd: copy, stdio: 'inherit' })
  if (status !== 0) throw new Error(`${program} ${args.join(' ')} failed in a copy of the service`)
}

// Packages are linked file by file: half a gigabyte would take a minute to copy.
function linkTree (from: string, to: string): void {
  mkdirSync(to, { recursive: true })
  for (const entry of readdirSync(from, { withFileTypes: true })) {
    const [source, target] = [path.join(from, entry.name), path.join(to, entry.name)]
    if (entry.isDirectory()) linkTree(source, target)
    else if (entry.isSymbolicLink()) symlinkSync(readlinkSync(source), target)
    else place(source, target, link)
  }
}

function place (from: string, to: string, put: (from: string, to: string) => void): void {
  mkdirSync(path.dirname(to), { recursive: true })
  put(from, to)
}

function link (from: string, to: string): void {
  try {
    linkSync(from, to)
  } catch {
    copyFileSync(from, to) // the temporary folder is on another disk
  }
}
