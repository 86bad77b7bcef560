// npm run faults: runs every file of tests that are named after a fault, and the slow ones, and prints each id of
// docs/faults.md with its result. FAULT_ROUNDS (1000 kills of the service) and FAULT_REQUESTS (100000) say how long;
// names of files or `--slow` as arguments run only those.
import { spawn } from 'node:child_process'
import { readFileSync, readdirSync } from 'node:fs'
import path from 'node:path'
import { createInterface } from 'node:readline'

const root = path.join(import.meta.dirname, '..', '..')
const slow = path.join('test', 'faults', 'slow.ts')
const withIds = readdirSync(path.join(root, 'test'), { recursive: true, encoding: 'utf8' }).map((name) =>
  path.join('test', name)
)
  .filter((name) => name.endsWith('.test.ts') && /\btest\(['"`]F\d+ /.test(readFileSync(path.join(root, name), 'utf8')))
const asked = process.argv.slice(2)
const files = asked.includes('--slow') ? [slow] : asked.length > 0 ? asked : [...withIds, slow]

const tap = spawn(process.execPath, [
  path.join(root, 'node_modules', 'tap', 'dist', 'esm', 'run.mjs'),
  '--disable-coverage',
  '--reporter=tap',
  '--timeout=10800',
  '--jobs=1',
  ...files
], {
  cwd: root,
  stdio: ['ignore', 'pipe', 'inherit']
})
/** Result and place of each id that ran. */
const results = new Map<string, string[]>()
for await (const line of createInterface(tap.stdout)) {
  const [, result, name = ''] = /^\s*(ok|not ok) \d+ - (.*)$/.exec(line) ?? []
  const ids = name.match(/\bF\d+\b/g) ?? []
  if (result === 'not ok' && ids.length === 0) console.log(`        ${name}`)
  if (result === undefined || ids.length === 0) continue
  const title = name.replace(/ # time=.*$/, '')
  const outcome = / # SKIP/.test(name) ? 'skipped' : result === 'ok' ? 'passed' : 'FAILED'
  console.log(`${outcome.padEnd(7)} ${title}`)
  for (const id of ids) results.set(id, [...results.get(id) ?? [], outcome])
}

const catalogue = [...readFileSync(path.join(root, 'docs', 'faults.md'), 'utf8').matchAll(/^\| (F\d+) \| ([^|]+) \|/gm)]
const getVerdict = (id: string): string =>
  ['FAILED', 'passed'].find((outcome) => results.get(id)?.includes(outcome)) ??
    (results.has(id) ? 'skipped' : 'not run')
console.log()
for (const [, id = '', fault = ''] of catalogue) console.log(`${id.padEnd(4)} ${getVerdict(id).padEnd(8)} ${fault}`)
const ids = catalogue.map(([, id = '']) => id)
const failed = ids.filter((id) => getVerdict(id) === 'FAILED')
const missing = ids.filter((id) => getVerdict(id) === 'not run')
console.log(failed.length === 0 ? '\nNo fault that ran has failed.' : `\nFailed: ${failed.join(', ')}`)
if (missing.length > 0) console.log(`Not run: ${missing.join(', ')}`)
process.exitCode = failed.length > 0 || (asked.length === 0 && missing.length > 0) ? 1 : 0
