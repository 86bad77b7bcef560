// `npm test`: runs tap with the given arguments, says again what failed and why, and ends with a line that counts assertions.
import { spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync, rmSync } from 'node:fs'
import path from 'node:path'

const root = path.join(import.meta.dirname, '..')
const results = path.join(root, '.tap', `results-${process.pid}.tap`)
mkdirSync(path.dirname(results), { recursive: true })
const run = spawnSync(process.execPath, [
  path.join(root, 'node_modules', '.bin', 'tap'),
  `--output-file=${results}`,
  '--reporter=terse',
  ...process.argv.slice(2)
], { stdio: 'inherit', cwd: root })

const text = read()
for (const line of failures(text)) console.log(line)
const counts = count(text)
const skipped = counts.skip + counts.todo
console.log(`${counts.pass} passed, ${counts.fail} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`)
// A run without a single assertion has shown nothing.
process.exit(run.status ?? (counts.pass > 0 ? 0 : 1))

/** Every `not ok` line; where it is an assertion and not the test around one, also what tap tells about it. */
function failures (text: string): string[] {
  let depth = 0
  return [...text.matchAll(/^( *)(not ok .*)\n(\1 {2}---\n[^]*?\n\1 {2}\.\.\.$)?/gm)].flatMap(
    ([, indent = '', name = '', details = '']) => {
      const isAround = indent.length < depth
      depth = indent.length
      const line = indent + name.replace(/ # time=.*/, '')
      const told = details.replace(/^( *)source: .*\n(?:\1 .*\n|\s*\n)*/m, '').split('\n').slice(1, -1)
      return isAround ? [line] : [line, ...told.slice(0, 30)]
    }
  )
}

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
