// npm run faults: runs the slow faults and those of test/faults, and prints every id of docs/faults.md with its result.
// FAULT_ROUNDS (1000 kills of the service) and FAULT_REQUESTS (100000) say how long; names of files or `--slow` as arguments run only those.
import { spawn } from 'node:child_process'
import { readFileSync, readdirSync } from 'node:fs'
import path from 'node:path'
import { createInterface } from 'node:readline'

const root = path.join(import.meta.dirname, '..', '..')
const slow = path.join('test', 'faults', 'slow.ts')
const quick = readdirSync(path.join(root, 'test', 'faults')).filter((name) => name.endsWith('.test.ts')).map((name) => path.join('test', 'faults', name))
const asked = process.argv.slice(2)
const files = asked.includes('--slow') ? [slow] : asked.length > 0 ? asked : [...quick, slow]

const tap = spawn(process.execPath, [path.join(root, 'node_modules', 'tap', 'dist', 'esm', 'run.mjs'), '--disable-coverage', '--reporter=tap', '--timeout=10800', '--jobs=1', ...files], {
  cwd: root, stdio: ['ignore', 'pipe', 'inherit']
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

const catalogue = [...readFileSync(path.join(root, 'docs', 'faults.md'), 'utf8').matchAll(/^\| (F\d+) \| ([^|]+) \| [^|]+ \| ([^|]+) \|$/gm)]
console.log()
for (const [, id = '', fault = '', shown = ''] of catalogue) {
  const result = results.get(id)
  const verdict = result === undefined ? 'elsewhere' : ['FAILED', 'passed'].find((outcome) => result.includes(outcome)) ?? 'skipped'
  console.log(`${id.padEnd(4)} ${verdict.padEnd(10)} ${fault.padEnd(60)} ${result === undefined ? shown.replaceAll('`', '') : ''}`.trimEnd())
}
const failed = [...results].filter(([, all]) => all.includes('FAILED')).map(([id]) => id)
console.log(failed.length === 0 ? '\nNo fault that ran has failed; "elsewhere" is run by npm test, or is not possible here, as docs/faults.md says.' : `\nFailed: ${failed.join(', ')}`)
process.exitCode = failed.length === 0 && catalogue.length === 49 ? 0 : 1
