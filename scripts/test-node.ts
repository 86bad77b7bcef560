// `npm run test:node -- 24 [files]`: the tests on another version of Node, which the npm registry has as a package. It
// stays in node_modules/.cache.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'

const root = path.join(import.meta.dirname, '..')
const [version = '', ...args] = process.argv.slice(2)

if (/^\d+(\.\d+){0,2}$/.test(version)) process.exitCode = runTests(install(version), args)
else {
  console.error('Say which Node: npm run test:node -- 24, or 24.8.0, and then test files if not all')
  process.exitCode = 2
}

/** The folder of the program `node` of a version. */
function install (version: string): string {
  const platform = process.platform === 'win32' ? 'win' : process.platform
  const name = `node-${platform}-${process.arch}`
  const folder = path.join(root, 'node_modules', '.cache', `node-${version}`)
  const bin = path.join(folder, 'node_modules', name, 'bin')
  if (existsSync(bin)) return bin
  mkdirSync(folder, { recursive: true })
  writeFileSync(path.join(folder, 'package.json'), '{ "private": true }\n')
  const wanted = ['install', `${name}@${version}`, '--ignore-scripts', '--no-audit', '--no-fund', '--no-save']
  const { status } = spawnSync('npm', wanted, { cwd: folder, stdio: 'inherit' })
  if (status !== 0) throw new Error(`Node ${version} was not installed: see what npm said above`)
  return bin
}

function runTests (bin: string, args: string[]): number {
  const node = path.join(bin, process.platform === 'win32' ? 'node.exe' : 'node')
  console.log(`Node ${spawnSync(node, ['--version'], { encoding: 'utf8' }).stdout.trim()}`)
  const tsx = createRequire(import.meta.url).resolve('tsx/cli')
  const { status } = spawnSync(node, [
    tsx,
    '--conditions=tandem-source',
    path.join(root, 'scripts', 'tap-summary.ts'),
    ...args
  ], {
    cwd: root,
    stdio: 'inherit',
    env: { ...process.env, PATH: `${bin}${path.delimiter}${process.env['PATH'] ?? ''}` }
  })
  return status ?? 1
}
