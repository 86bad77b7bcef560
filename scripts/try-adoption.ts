// `npm run try:adoption`: what somebody does who starts from this service, in a copy: takes the example out, makes a
// resource of each kind, checks, tests, builds and boots.
import { execFileSync, spawnSync } from 'node:child_process'
import { copyFileSync, linkSync, mkdirSync, mkdtempSync, readdirSync, readlinkSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'

const root = path.join(import.meta.dirname, '..')
const copy = mkdtempSync(path.join(tmpdir(), 'tandem-adoption-'))
const SQL = ['products', 'name:text:unique', 'price:decimal(10,2)', 'stock:integer', 'is_sold:boolean']
const MONGO = ['gift-cards', 'code:text(40):unique', 'stars:integer(1,5)', '--store', 'mongo']
const TESTS = ['app', 'routes', 'sql', 'consistency'].map((name) => `test/${name}.test.ts`)

try {
  for (const name of execFileSync('git', ['ls-files', '-z'], { cwd: root, encoding: 'utf8' }).split('\0')) {
    if (name !== '') place(path.join(root, name), path.join(copy, name), copyFileSync)
  }
  linkTree(path.join(root, 'node_modules'), path.join(copy, 'node_modules'))
  commit()
  npm('run', 'eject', '--', 'corner-shop')
  npm('run', 'check')
  npm('run', 'new', '--', ...SQL)
  npm('run', 'new', '--', ...MONGO)
  npm('run', 'client', '--', 'dist/client')
  npm('run', 'check')
  npm('test', '--', ...TESTS)
  npm('run', 'build')
  run(path.join('node_modules', '.bin', 'tsx'), ['--conditions=tandem-source', 'scripts/try-build.ts'])
  console.log('The example went, a resource of each kind came, and all checks and tests pass.')
} finally {
  rmSync(copy, { recursive: true, force: true })
}

function commit (): void {
  const author = ['-c', 'user.name=adoption', '-c', 'user.email=adoption@example.com']
  run('git', ['init', '--quiet'])
  run('git', ['add', '--all'])
  run('git', [...author, 'commit', '--quiet', '--message', 'Begin'])
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
