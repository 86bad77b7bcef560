// `npm test`: runs tap with the given arguments, names again what failed, and ends with a line that counts assertions.
import { spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync, rmSync } from 'node:fs'
import path from 'node:path'

const root = path.join(import.meta.dirname, '..')
const results = path.join(root, '.tap', `results-${process.pid}.tap`)
mkdirSync(path.dirname(results), { recursive: true })
const run = spawnSync(process.execPath, [
  path.join(root, 'node_modules', '.bin', 'tap'), `--output-file=${results}`, '--reporter=terse', ...process.argv.slice(2)
], { stdio: 'inherit', cwd: root })

const text = read()
for (const line of text.match(/^ *not ok .*$/gm) ?? []) console.log(line.replace(/ # time=.*/, ''))
const counts = count(text)
const skipped = counts.skip + counts.todo
console.log(`${counts.pass} passed, ${counts.fail} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`)
// A run without a single assertion has shown nothing.
process.exit(run.status ?? (counts.pass > 0 ? 0 : 1))

function count (text: string): Record<'pass' | 'fail' | 'skip' | 'todo', number> {
  const last = [...text.matchAll(/^# \{ total: \d+(.*) \}$/gm)].at(-1)?.[1] ?? ''
  const number = (name: string) => Number(new RegExp(`\\b${name}: (\\d+)`).exec(last)?.[1] ?? 0)
  return { pass: number('pass'), fail: number('fail'), skip: number('skip'), todo: number('todo') }
}

function read (): string {
  try {
    return readFileSync(results, 'utf8')
  } catch {
    return ''
  } finally {
    rmSync(results, { force: true })
  }
}
