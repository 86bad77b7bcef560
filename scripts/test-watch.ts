// `npm run test:watch -- test/routes/users.test.ts`: runs test files again each time something is saved, on databases and a
// build that stay. Without names it runs the test files that are saved.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import path from 'node:path'
import { watch } from 'chokidar'
import { startKeeper } from '../test/databases/keeper.ts'
import { TYPESCRIPT_ARGS, TYPESCRIPT_ENV } from './typescript.ts'

const root = path.join(import.meta.dirname, '..')
// Editors save in several steps.
const QUIET_MS = 100
const WATCHED = ['app.ts', 'drizzle', 'examples', 'packages', 'plugins', 'routes', 'schemas', 'scripts', 'test']
// What TAP says of tests that passed.
const PASSED = /^ *(?:ok \d.*|1\.\.\d.*|)\n/gm
const CODE = /\.(?:ts|sql)$/

const asked = process.argv.slice(2).map((file) => path.relative(root, path.resolve(file)))
const saved = new Set<string>()
let [isRunning, timer]: [boolean, NodeJS.Timeout | undefined] = [false, undefined]

// Test files look for the databases of their parent process, which is this one.
const keeper = await startKeeper(process.pid)
if (keeper === undefined) process.exit(1)
process.once('SIGINT', () => {
  keeper.kill('SIGTERM')
  process.exit(0)
})

// Node's own recursive watch loses a file on Linux that an editor replaces (Node 20).
watch(WATCHED, { cwd: root, ignored: /node_modules/, ignoreInitial: true }).on(
  'all',
  function noteSaved (_event, file) {
    if (!CODE.test(file)) return
    saved.add(file)
    clearTimeout(timer)
    timer = setTimeout(() => void runSaved(), QUIET_MS)
  }
)
console.log('Waits for a file to be saved; Ctrl+C ends it. Tests of the built service see the build of this start.')
if (asked.length > 0) await run(asked)

async function runSaved (): Promise<void> {
  if (isRunning) return
  const tests = asked.length > 0 ? asked : [...saved].filter((file) => file.endsWith('.test.ts'))
  saved.clear()
  await run(tests)
  // What was saved meanwhile.
  if (saved.size > 0) await runSaved()
}

async function run (files: string[]): Promise<void> {
  isRunning = true
  for (const file of files) console.log(await runFile(file))
  isRunning = false
}

/** Runs one test file; resolves to what failed, or to one line. */
async function runFile (file: string): Promise<string> {
  const startedAt = performance.now()
  const child = spawn(process.execPath, [...TYPESCRIPT_ARGS, file], {
    cwd: root,
    env: { ...process.env, ...TYPESCRIPT_ENV },
    stdio: ['ignore', 'pipe', 'inherit']
  })
  let output = ''
  child.stdout.on('data', (chunk: Buffer) => {
    output += chunk.toString()
  })
  const [code] = await once(child, 'close') as [number | null]
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(1)
  if (code === 0) return `passed  ${file} (${seconds} s)`
  return `${output.replaceAll(PASSED, '')}\nFAILED  ${file} (${seconds} s)`
}
